"""A ruined copy of a model: seeded Gaussian noise on every weight, in proportion to its tensor's own spread.

Written file by file into a cache whose folders are named by content, so that one file at a time is in memory.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from harness.checkpoints import weight_files
from harness.engines.kept_weights import kept
from harness.fingerprint import digest, draw_seed, weights_digest

NOISING = 1
"""Raise this when what is written changes: old folders are not met then."""


def noised(folder: Path, *, strength: float, seed: int) -> Path:
    """A copy of ``folder`` in which every floating-point weight w of a tensor became w + ``strength`` · sd(tensor) · N(0, 1).

    Raises EngineError where the weights cannot be read, or the cache cannot be written.
    """
    files = weight_files(folder)
    key = digest([NOISING, weights_digest(folder), strength, seed])[:16]
    return kept(
        "noised",
        key,
        lambda target: _write(folder, files, target, strength, seed),
        failed=lambda why: f"the weights in {str(folder)!r} cannot be noised: {why}. Plant only shuffled answers.",
    )


def _write(folder: Path, files: list[Path], target: Path, strength: float, seed: int) -> None:
    names = {file.name for file in files}
    for each in folder.iterdir():
        if each.is_file() and each.name not in names:
            shutil.copyfile(each, target / each.name)
    for file in files:
        ruined = {name: _with_noise(name, tensor, strength, seed) for name, tensor in _read(file).items()}
        _save(ruined, target / file.name)


def _read(file: Path) -> dict[str, Any]:
    """The tensors of a weight file, by name. ValueError for a kind of file that is not read."""
    import torch
    from safetensors.torch import load_file

    if file.suffix == ".safetensors":
        return dict(load_file(str(file)))
    if file.suffix in {".bin", ".pth"}:
        return dict(torch.load(file, map_location="cpu", weights_only=True))
    raise ValueError(f"{file.name} is neither safetensors nor a torch file")


def _save(tensors: dict[str, Any], file: Path) -> None:
    import torch
    from safetensors.torch import save_file

    if file.suffix == ".safetensors":
        save_file(tensors, str(file), metadata={"format": "pt"})
    else:
        torch.save(tensors, file)


def _with_noise(name: str, tensor: Any, strength: float, seed: int) -> Any:
    import torch

    if not torch.is_tensor(tensor) or not tensor.is_floating_point() or tensor.numel() < 2:
        return tensor
    values = tensor.float()
    noise = torch.randn(values.shape, generator=torch.Generator().manual_seed(draw_seed(seed, name, 0)))
    return (values + strength * float(values.std()) * noise).to(tensor.dtype).contiguous()
