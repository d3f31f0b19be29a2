"""Model folders on disk, read without torch: where they are, whether they are complete, and what belongs together.

Nothing here downloads, unpickles, or runs code from a model folder. Shapes come from safetensors headers, the rest from JSON.
"""

from __future__ import annotations

import datetime
import filecmp
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Candidate

Source = Literal["weights", "recorded", "imported", "endpoint", "fake"]

_SOURCES: Mapping[str, Source] = {
    "openai": "endpoint", "recorded": "recorded", "lm_eval_results": "imported", "none": "imported", "fake": "fake",
}  # fmt: skip
_WEIGHT_PATTERNS = ("*.safetensors", "*.bin", "*.pth", "*.gguf")
_LFS_POINTER = b"version https://git-lfs"


def answering(candidate: Candidate) -> Candidate:
    """The candidate as what answers sees it: without the fleet that ``engine = "ray"`` puts around the engine of its options.

    A fleet changes only where requests are answered, so a candidate served by one has the fingerprint of the same without it, and
    they share the journal. ``resources`` stay as they are. Raises ConfigError where no engine is named.
    """
    if candidate.engine != "ray":
        return candidate
    options = dict(candidate.options)
    wrapped = options.pop("engine", None)
    if not isinstance(wrapped, str) or wrapped in {"", "ray"}:
        raise ConfigError(
            f"the engine that the actors hold is {wrapped!r}; expected the name of another engine, such as engine = 'vllm'.",
            where=f"candidates.{candidate.name}.options.engine",
        )
    return msgspec.structs.replace(candidate, engine=wrapped, options=options)


def source(candidate: Candidate) -> Source:
    """What stands behind a candidate: weights on this machine, recorded answers, imported scores, an endpoint, or nothing (fake).

    An engine from outside (``mylab.engines:Mine``) is taken to serve local weights where ``model`` is found here, else to be an
    endpoint.
    """
    candidate = answering(candidate)
    known = _SOURCES.get(candidate.engine)
    if known is not None:
        return known
    if ":" not in candidate.engine or _find_model(candidate.model, candidate.revision) is not None:
        return "weights"
    return "endpoint"


# ------------------------------------------------------------------------------------------------- finding a model


def resolve_model(model: str, revision: str | None = None, *, where: str = "", what: str = "model") -> Path:
    """The folder of a model or adapter: a local folder, else a snapshot in the local Hugging Face cache. Never downloads.

    Raises ConfigError that says what is nearest, or how to download it.
    """
    if not model:
        raise ConfigError(
            f"no {what} is given; expected a folder, or a Hugging Face name such as 'Qwen/Qwen2.5-7B-Instruct'.", where=where
        )
    found = _find_model(model, revision)
    if found is not None:
        return found
    path = Path(model).expanduser()
    if path.exists():
        raise ConfigError(f"{what} {model!r} is a file; expected the folder that holds it.", where=where)
    if _looks_like_path(model):
        raise ConfigError(f"{what} folder {model!r} does not exist. {_neighbours(path)}", where=where)
    cache = _hub_cache()
    at = f" --revision {revision}" if revision else ""
    absent = f" at revision {revision!r}" if revision else ""
    cached = sorted(entry.name.removeprefix("models--").replace("--", "/") for entry in cache.glob("models--*"))
    hint = f" In the cache: {did_you_mean(model, cached)}" if cached else ""
    raise ConfigError(
        f"{what} {model!r} is neither a folder here nor in the Hugging Face cache{absent}, and "
        f"nothing is downloaded on its own. Download it with `hf download {model}{at}`, or name a local folder.{hint}",
        where=where,
    )


def _find_model(model: str, revision: str | None) -> Path | None:
    if not model:
        return None
    path = Path(model).expanduser()
    if path.is_dir():
        return path
    return None if _looks_like_path(model) else _cached_snapshot(model, revision)


def _looks_like_path(model: str) -> bool:
    return model.startswith((".", "/", "~")) or model.count("/") > 1 or model.endswith("/") or (os.sep != "/" and os.sep in model)


def _neighbours(path: Path) -> str:
    parent = path.parent
    if not parent.is_dir():
        return f"Its parent {str(parent)!r} does not exist either."
    names = [entry.name for entry in parent.iterdir() if entry.is_dir()]
    return did_you_mean(path.name, names) if names else f"{str(parent)!r} has no folders."


def _hub_cache() -> Path:
    """Where huggingface_hub keeps its downloads, by its own rules."""
    if cache := os.environ.get("HF_HUB_CACHE") or os.environ.get("HUGGINGFACE_HUB_CACHE"):
        return Path(cache).expanduser()
    home = os.environ.get("HF_HOME") or os.path.join(os.environ.get("XDG_CACHE_HOME") or "~/.cache", "huggingface")
    return Path(home).expanduser() / "hub"


def _cached_snapshot(name: str, revision: str | None) -> Path | None:
    folder = _hub_cache() / f"models--{name.replace('/', '--')}"
    reference = folder / "refs" / (revision or "main")
    commit = reference.read_text(encoding="utf-8").strip() if reference.is_file() else (revision or "")
    snapshot = folder / "snapshots" / commit
    return snapshot if commit and snapshot.is_dir() else None


# ---------------------------------------------------------------------------------------------- reading a folder


class _Tensor(msgspec.Struct):
    """One entry of a safetensors header."""

    shape: tuple[int, ...]
    data_offsets: tuple[int, int]


def read_json(path: Path, *, where: str = "") -> Any:
    """The JSON in a file; None where there is no file. Raises ConfigError where it is not JSON."""
    try:
        return msgspec.json.decode(path.read_bytes())
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{str(path)!r} is not JSON: {error}. The folder may be damaged or half copied.", where=where) from error
    except OSError as error:
        raise ConfigError(f"{str(path)!r} cannot be read: {error.strerror}.", where=where) from error


def weight_files(folder: Path) -> list[Path]:
    """The weight files that a loader would read: safetensors where there are any, else one of the older kinds. No adapters."""
    for pattern in _WEIGHT_PATTERNS:
        files = [path for path in sorted(folder.glob(pattern)) if not path.name.startswith(("adapter_model", "training_args"))]
        if files:
            return files
    return []


def adapter_files(folder: Path) -> list[Path]:
    """The weight files of a PEFT adapter."""
    return sorted(folder.glob("adapter_model*.safetensors")) or sorted(folder.glob("adapter_model*.bin"))


def is_adapter(path: Path | str) -> bool:
    """Is this the folder of a PEFT adapter?"""
    return (Path(path) / "adapter_config.json").is_file()


def read_adapter_config(path: Path | str, *, where: str = "") -> dict[str, Any]:
    """The adapter's ``adapter_config.json``. Raises ConfigError where it is missing or no JSON object."""
    config = read_json(Path(path) / "adapter_config.json", where=where)
    if not isinstance(config, dict):
        raise ConfigError(
            f"adapter folder {str(path)!r} has no 'adapter_config.json'; expected what PEFT's save_pretrained writes.", where=where
        )
    return config


def chat_template(path: Path | str) -> str | None:
    """The chat template (Jinja source) that a model folder brings, or None. ``chat_template.jinja`` wins, as in transformers."""
    folder = Path(path)
    file = folder / "chat_template.jinja"
    if file.is_file():
        return file.read_text(encoding="utf-8")
    for name in ("chat_template.json", "tokenizer_config.json"):
        config = read_json(folder / name)
        template = config.get("chat_template") if isinstance(config, dict) else None
        if isinstance(template, list):  # several named ones: [{"name": …, "template": …}]
            template = {entry.get("name"): entry.get("template") for entry in template}.get("default")
        if isinstance(template, str):
            return template
    return None


def served_template(candidate: Candidate, *, where: str = "") -> str | None:
    """The chat template that a candidate with local weights is served with: ``options.chat_template`` (a file), else the one that
    its adapter brings, else its model's. Raises ConfigError where a file or folder is missing."""
    override = candidate.options.get("chat_template")
    if isinstance(override, str):
        try:
            return Path(override).expanduser().read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            place = f"{where}.options.chat_template" if where else "options.chat_template"
            raise ConfigError(
                f"the chat template {override!r} cannot be read; expected a Jinja file: {error}.", where=place
            ) from error
    own = None
    if candidate.adapter is not None:
        own = chat_template(resolve_model(candidate.adapter, where=where, what="adapter"))
    return own if own is not None else chat_template(resolve_model(candidate.model, candidate.revision, where=where))


FROZEN_DATE = datetime.date(2026, 1, 1)
"""The day that it is for chat templates, in training and in evaluation, unless ``options.template_date`` says another."""


def frozen_clock(date: datetime.date = FROZEN_DATE) -> Callable[[str], str]:
    """What templates are given as ``strftime_now``. It hides the function that transformers would give them, which looks at the
    clock: a prompt must be the same tomorrow."""
    return datetime.datetime.combine(date, datetime.time()).strftime


def tensor_shapes(file: Path, *, where: str = "") -> dict[str, tuple[int, ...]]:
    """Names and shapes from a safetensors header. Raises ConfigError where the file is truncated or no safetensors."""
    try:
        with file.open("rb") as stream:
            start = stream.read(len(_LFS_POINTER))
            stream.seek(8)
            size, room = int.from_bytes(start[:8], "little"), file.stat().st_size - 8
            header = stream.read(size) if size <= room else b""
    except OSError as error:
        raise ConfigError(f"{str(file)!r} cannot be read: {error.strerror}.", where=where) from error
    if start == _LFS_POINTER:
        raise ConfigError(f"{str(file)!r} is a Git LFS pointer, not weights; fetch them with `git lfs pull`.", where=where)
    try:
        entries = msgspec.json.decode(header, type=dict[str, Any])
        entries.pop("__metadata__", None)
        tensors = msgspec.convert(entries, dict[str, _Tensor])
    except (msgspec.MsgspecError, UnicodeDecodeError):
        tensors = None
    if tensors is None or size + max((tensor.data_offsets[1] for tensor in tensors.values()), default=0) > room:
        raise ConfigError(f"{str(file)!r} is cut short or is no safetensors file; copy or save it again.", where=where)
    return {name: tensor.shape for name, tensor in tensors.items()}


# -------------------------------------------------------------------------------------------- checking a candidate


def check_candidate(candidate: Candidate, *, where: str) -> None:
    """Find out before any device time whether a candidate can be served.

    Raises ConfigError where the model folder is missing or has no config, no weights, or incomplete ones; where the adapter is
    missing or belongs to another base; where a file of recorded answers or a chat template is missing.
    """
    kind = source(candidate)
    if kind == "recorded":
        recorded_file(candidate, where=f"{where}.model")
    if kind != "weights":
        return
    model = resolve_model(candidate.model, candidate.revision, where=f"{where}.model")
    check_model(model, where=f"{where}.model")
    if candidate.adapter is not None:
        check_adapter(resolve_model(candidate.adapter, where=f"{where}.adapter", what="adapter"), model, where=f"{where}.adapter")
    served_template(candidate, where=where)


def recorded_file(candidate: Candidate, *, where: str = "") -> Path:
    """The JSONL file of a candidate whose answers were recorded elsewhere. Raises ConfigError where it is missing."""
    path = Path(candidate.model).expanduser()
    if not candidate.model or not path.is_file():
        raise ConfigError(
            f"recorded answers {candidate.model!r} are not a file; expected JSON lines with 'key' or 'prompt', and 'response'.",
            where=where,
        )
    return path


def check_model(folder: Path, *, where: str) -> None:
    """Raise ConfigError unless ``folder`` holds a config and complete weights."""
    weights = weight_files(folder)
    if not weights and is_adapter(folder):
        raise ConfigError(
            f"{str(folder)!r} is an adapter, not a model; put it into 'adapter' and its base model into 'model'.", where=where
        )
    if not weights:
        raise ConfigError(f"model folder {str(folder)!r} has no weights; expected *.safetensors (or *.bin).", where=where)
    if not isinstance(read_json(folder / "config.json", where=where), dict) and weights[0].suffix != ".gguf":
        raise ConfigError(f"model folder {str(folder)!r} has no 'config.json'; expected what save_pretrained writes.", where=where)
    index = read_json(folder / "model.safetensors.index.json", where=where)
    wanted = set(index["weight_map"].values()) if isinstance(index, dict) and isinstance(index.get("weight_map"), dict) else set()
    missing = sorted(wanted - {path.name for path in weights})
    if missing:
        raise ConfigError(
            f"model folder {str(folder)!r} lacks {len(missing)} of {len(wanted)} weight files: {', '.join(missing[:3])}.",
            where=where,
        )
    for file in weights:
        if file.suffix == ".safetensors":
            tensor_shapes(file, where=where)


def check_adapter(adapter: Path, model: Path, *, where: str) -> None:
    """Raise ConfigError unless ``adapter`` is a complete PEFT adapter that was trained on ``model``."""
    config = read_adapter_config(adapter, where=where)
    _check_repeatable(adapter, config, where=where)
    files = adapter_files(adapter)
    if not files:
        raise ConfigError(f"adapter folder {str(adapter)!r} has no 'adapter_model.safetensors'.", where=where)
    if files[0].suffix == ".safetensors":
        shapes = {name: shape for file in files for name, shape in tensor_shapes(file, where=where).items()}
        _check_shapes(adapter, shapes, model, where=where)
    named = config.get("base_model_name_or_path")
    base = _find_model(named, None) if isinstance(named, str) else None
    if base is not None and not _same_weights(base, model):
        raise ConfigError(
            f"adapter {str(adapter)!r} was trained on {named!r}, whose weights are not those of {str(model)!r}. Name its own base "
            "as the model; or, if this base is meant, correct 'base_model_name_or_path' in its adapter_config.json.",
            where=where,
        )


def _check_repeatable(adapter: Path, config: Mapping[str, Any], *, where: str) -> None:
    """PEFT changes the base again at every load of such an adapter: by a random decomposition, or by data that it no longer has."""
    start = config.get("init_lora_weights")
    if isinstance(start, str) and start.lower().startswith(("pissa_niter", "corda", "loftq")):
        raise ConfigError(
            f"adapter {str(adapter)!r} was started with {start!r}, which no later load repeats: every load is another model. "
            "Save it with PEFT's save_pretrained(…, path_initial_model_for_weight_conversion=…), which makes it plain LoRA; or "
            "name the changed base as the model, with init_lora_weights = true in adapter_config.json.",
            where=where,
        )


def _check_shapes(adapter: Path, shapes: Mapping[str, tuple[int, ...]], model: Path, *, where: str) -> None:
    """Every LoRA pair must fit the base weight of the same name: A is (rank, in), B is (out, rank), the weight (out, in)."""
    files = [file for file in weight_files(model) if file.suffix == ".safetensors"]
    base = {name: shape for file in files for name, shape in tensor_shapes(file, where=where).items()}
    if not base:
        return
    unknown = 0
    pairs = [name.removesuffix(".lora_A.weight") for name in shapes if name.endswith(".lora_A.weight")]
    for stem in pairs:
        expected = base.get(f"{stem.removeprefix('base_model.model.')}.weight")
        a, b = shapes[f"{stem}.lora_A.weight"], shapes.get(f"{stem}.lora_B.weight")
        if expected is None or b is None:
            unknown += 1
        elif len(expected) == 2 and (b[0], a[1]) not in (expected, expected[::-1]):
            raise ConfigError(
                f"adapter {str(adapter)!r} belongs to another base: its {stem!r} is made for a weight of {b[0]} × {a[1]}, and "
                f"{str(model)!r} has {expected[0]} × {expected[1]} there.",
                where=where,
            )
    if pairs and unknown == len(pairs):
        raise ConfigError(
            f"adapter {str(adapter)!r} belongs to another base: it changes {pairs[0]!r} and {len(pairs) - 1} more, none of which "
            f"{str(model)!r} has.",
            where=where,
        )


def _same_weights(one: Path, other: Path) -> bool:
    """Do two folders hold the same weights? Byte for byte, and at once where it is one folder."""
    if one.resolve() == other.resolve():
        return True
    left, right = weight_files(one), weight_files(other)
    same_files = [path.name for path in left] == [path.name for path in right]
    return same_files and all(filecmp.cmp(a, b, shallow=False) for a, b in zip(left, right, strict=True))
