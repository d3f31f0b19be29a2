"""What a train config may say: a record per table, and how a file becomes one."""

from trainers.config.averaging import AveragingConfig
from trainers.config.checkpoints import CheckpointsConfig
from trainers.config.data import DataConfig
from trainers.config.loading import load, load_all, parse
from trainers.config.methods import AdaloraConfig, Ia3Config, LoraConfig, PrefixConfig, PromptConfig
from trainers.config.mixing import MixingConfig
from trainers.config.objective import ObjectiveConfig
from trainers.config.optimizer import OptimizerConfig
from trainers.config.parameters import GroupConfig, ParametersConfig
from trainers.config.record import TrainConfig
from trainers.config.stopping import StoppingConfig
from trainers.config.watching import WatchingConfig

__all__ = [
    "AdaloraConfig", "AveragingConfig", "CheckpointsConfig", "DataConfig", "GroupConfig", "Ia3Config", "LoraConfig",
    "MixingConfig", "ObjectiveConfig", "OptimizerConfig", "ParametersConfig", "PrefixConfig", "PromptConfig", "StoppingConfig",
    "TrainConfig", "WatchingConfig", "load", "load_all", "parse",
]  # fmt: skip
