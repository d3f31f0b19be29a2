"""What a run leaves: ``weights/`` or ``adapter/`` as vLLM and transformers load them, ``training.json``, ``candidate.json``.

``candidate.json`` is written last: a folder that has it is finished.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from harness.records import Handover, Training
from trainers.config import TrainConfig

CANDIDATE = "candidate.json"
TRAINING = "training.json"
_TOKENIZER_FILES = (
    "tokenizer*", "vocab.*", "merges.txt", "special_tokens_map.json", "added_tokens.json", "*.model", "*.tiktoken", "tekken.json",
    "chat_template*", "additional_chat_templates",
)  # fmt: skip


def export_weights(config: TrainConfig, model: Any, base: Path, *, end_id: int) -> None:
    """Full weights with tokenizer, chat template and a generation_config that stops at the end of turn; or the adapter alone."""
    name = "adapter" if config.method == "lora" else "weights"
    partial = config.folder / f"{name}.partial"
    shutil.rmtree(partial, ignore_errors=True)
    if config.method == "lora":
        model.save_pretrained(str(partial), save_embedding_layers=False)
    else:
        _stop_at(model.generation_config, end_id)
        with _cast(model, _dtype_of(base) if config.save_dtype == "base" else None):
            model.save_pretrained(str(partial))
        _copy_tokenizer(base, partial)
    _replace_folder(partial, config.folder / name)


@contextlib.contextmanager
def _cast(model: Any, dtype: Any) -> Iterator[None]:
    """The parameters in another dtype (None: as they are) for as long as this lasts; then the very same as before: a checkpoint is
    written in the middle of training. Tied parameters stay tied."""
    import torch

    own = [(parameter, parameter.data) for parameter in model.parameters() if dtype is not None and parameter.dtype != dtype]
    try:
        with torch.no_grad():
            for parameter, data in own:
                parameter.data = data.to(dtype)
        yield
    finally:
        for parameter, data in own:
            parameter.data = data


def _copy_tokenizer(base: Path, target: Path) -> None:
    """The base's tokenizer and template, byte by byte: loading and saving them would rewrite them."""
    for pattern in _TOKENIZER_FILES:
        for file in base.glob(pattern):
            if file.is_dir():
                shutil.copytree(file, target / file.name)
            else:
                shutil.copyfile(file, target / file.name)


def _stop_at(generation: Any, end_id: int) -> None:
    known = generation.eos_token_id
    stops = [] if known is None else [known] if isinstance(known, int) else list(known)
    if end_id not in stops:
        generation.eos_token_id = [end_id, *stops] if stops else end_id


def _dtype_of(base: Path) -> Any:
    """The dtype of the base on disk; float32 where its config does not say."""
    import torch
    from transformers import AutoConfig

    named = AutoConfig.from_pretrained(str(base), local_files_only=True).dtype
    dtype = getattr(torch, named, None) if isinstance(named, str) else named
    return dtype or torch.float32


def _replace_folder(partial: Path, final: Path) -> None:
    shutil.rmtree(final, ignore_errors=True)
    os.replace(partial, final)


def handover(config: TrainConfig, base: Path) -> Handover:
    """The content of ``candidate.json``. A local base is named by its absolute path, a hub model by its name."""
    model = str(base) if Path(config.base).exists() else config.base
    lora = config.method == "lora"
    return Handover(
        name=config.name,
        model=model if lora else "weights",
        adapter="adapter" if lora else None,
        base=model,
        method=config.method,
        training_data=config.train + config.replay,
    )


def write_records(config: TrainConfig, training: Training, candidate: Handover) -> None:
    """``training.json``, then ``candidate.json``."""
    _write(config.folder / TRAINING, training)
    write_handover(config, candidate)


def write_handover(config: TrainConfig, candidate: Handover) -> None:
    """``candidate.json``."""
    _write(config.folder / CANDIDATE, candidate)


def _write(path: Path, value: Any) -> None:
    temporary = path.with_name(f"{path.name}.partial")
    temporary.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=1) + b"\n")
    os.replace(temporary, path)


def finished_fingerprint(folder: Path) -> str | None:
    """The fingerprint of the finished run in ``folder``; None where there is no finished run that can be read."""
    if not (folder / CANDIDATE).is_file() or not (folder / TRAINING).is_file():
        return None
    try:
        training = msgspec.json.decode((folder / TRAINING).read_bytes(), type=Training)
    except (OSError, msgspec.DecodeError):
        return None
    return training.data.get("fingerprint")
