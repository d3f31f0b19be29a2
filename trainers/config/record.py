"""``TrainConfig``: everything that decides how one candidate is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from harness.records import Record
from trainers.config.averaging import AveragingConfig
from trainers.config.checkpoints import CheckpointsConfig
from trainers.config.data import DataConfig
from trainers.config.methods import RATES, AdaloraConfig, Ia3Config, LoraConfig, Method, PrefixConfig, PromptConfig
from trainers.config.mixing import MixingConfig
from trainers.config.objective import ObjectiveConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.parameters import ParametersConfig
from trainers.config.stopping import StoppingConfig
from trainers.config.watching import WatchingConfig


class TrainConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How one candidate is trained; its folder is ``out/name``.

    ``precision`` ``bf16`` is autocast over float32 master weights. ``merge`` hands an adapter over as part of the base's weights
    (``trainers.methods.merging``). ``save_dtype`` is that of whole weights on disk: float32, or the base's own.
    ``checkpoint_steps`` is how often a state to resume from is written (0: at every validation, and where an epoch ends).
    ``threads`` 0 stands for one per process on a CPU. ``compile`` runs each layer through torch.compile (``trainers.compiling``):
    minutes at the start, for long runs on a GPU.
    """

    name: str
    base: str
    data: DataConfig
    revision: str | None = None
    out: str = "out"
    method: Method = "full"
    merge: bool = False
    seed: int = 0
    precision: Literal["float32", "bf16"] = "float32"
    save_dtype: Literal["base", "float32"] = "base"
    device: Literal["auto", "cpu"] = "auto"
    threads: int = 0
    gradient_checkpointing: bool = False
    compile: bool = False
    checkpoint_steps: int = 0
    overwrite: bool = False
    optimizer: OptimizerConfig = OptimizerConfig()
    parameters: ParametersConfig = ParametersConfig()
    lora: LoraConfig = LoraConfig()
    adalora: AdaloraConfig = AdaloraConfig()
    ia3: Ia3Config = Ia3Config()
    prefix: PrefixConfig = PrefixConfig()
    prompt: PromptConfig = PromptConfig()
    mixing: MixingConfig = MixingConfig()
    objective: ObjectiveConfig = ObjectiveConfig()
    stopping: StoppingConfig = StoppingConfig()
    checkpoints: CheckpointsConfig = CheckpointsConfig()
    averaging: AveragingConfig = AveragingConfig()
    watching: WatchingConfig = WatchingConfig()

    @property
    def folder(self) -> Path:
        """Where the candidate goes."""
        return Path(self.out) / self.name

    @property
    def train(self) -> tuple[str, ...]:
        """Training files."""
        return _several(self.data.train)

    @property
    def replay(self) -> tuple[str, ...]:
        """Replay files."""
        return _several(self.data.replay)

    @property
    def validation(self) -> dict[str, str]:
        """Validation sets by name."""
        given = self.data.validation
        return dict(given) if isinstance(given, dict) else {"target": given}

    @property
    def validated(self) -> tuple[str, ...]:
        """The names of all validation sets, the one that is held out of training among them."""
        return (("target",) if self.data.validation_share else ()) + tuple(self.validation)

    @property
    def documents(self) -> bool:
        """Is everything that is read plain text, so that no chat template is needed?"""
        paths = (*self.train, *self.replay, *self.objective.general, *self.validation.values())
        return all(self.data.format_of(path) == "text" for path in paths)

    @property
    def metric(self) -> str:
        """The validation set that selects the checkpoint; empty where there is none."""
        names = self.validated
        return self.stopping.metric or ("target" if "target" in names else names[0] if names else "")

    @property
    def adapts(self) -> bool:
        """Is something put onto a frozen base, rather than the base itself trained?"""
        return self.method != "full"

    @property
    def learning_rate(self) -> float:
        """The peak rate."""
        return self.optimizer.learning_rate or RATES[self.method]

    @property
    def max_length(self) -> int:
        """Most tokens of one row."""
        return self.data.max_length or self.data.tokens_per_batch


def _several(paths: str | tuple[str, ...]) -> tuple[str, ...]:
    return (paths,) if isinstance(paths, str) else paths
