"""lm-eval task files, read by us: names, paths and inline tasks become plain configs before anything of theirs runs.

Reading them ourselves makes three promises possible: data files are found beside the YAML, no ``!function`` runs unless the
config allows code, and every complaint names the file.
"""

from __future__ import annotations

import glob
import importlib.util
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import yaml

from harness.errors import ConfigError
from harness.fingerprint import file_digest
from suites.rows import locate

_LOADERS = frozenset({"json", "csv", "parquet", "text", "arrow", "pandas", "xml"})


class Function(NamedTuple):
    """A ``!function module.name`` of a YAML file, not yet imported. ``folder`` is the folder of the file."""

    spec: str
    folder: Path

    def file(self) -> Path | None:
        """The Python file that holds it: beside the YAML, else of a module that can be imported."""
        module = self.spec.rpartition(".")[0]
        beside = self.folder / (module.replace(".", "/") + ".py")
        if beside.is_file():
            return beside
        try:
            found = importlib.util.find_spec(module)
        except (ImportError, ValueError):
            return None
        return None if found is None or found.origin is None else Path(found.origin)


class TaskFile(NamedTuple):
    """One leaf task: its name, its config (functions unresolved), the folder that its data files are relative to, and the YAML file
    that it stands in (None: in the suite's options)."""

    name: str
    config: dict[str, Any]
    folder: Path
    path: Path | None


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    folder = Path()


def _function(loader: yaml.SafeLoader, node: yaml.Node) -> Function:
    assert isinstance(loader, _Loader)
    assert isinstance(node, yaml.ScalarNode)
    return Function(str(loader.construct_scalar(node)), loader.folder)


_Loader.add_constructor("!function", _function)


def read_yaml(path: Path, *, where: str, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    """A task file with its ``include`` files merged beneath it, as lm-eval merges them. ConfigError names the bad file."""
    path = path.resolve()
    if path in seen:
        raise ConfigError(f"{path} includes itself by way of {seen[-1]}", where=where)
    try:
        loader = _Loader(path.read_text(encoding="utf-8"))
        loader.folder = path.parent
        config = loader.get_single_data()
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{path} cannot be read as a task file: {error}", where=where) from error
    if not isinstance(config, dict):
        raise ConfigError(f"{path}: found {type(config).__name__}, expected a YAML mapping", where=where)
    includes = config.pop("include", [])
    merged: dict[str, Any] = {}
    for name in includes if isinstance(includes, list) else [includes]:
        base = read_yaml(path.parent / str(name), where=where, seen=(*seen, path))
        base.pop("task_list", None)
        merged |= base
    return merged | config


def functions(value: Any) -> Iterator[Function]:
    """Every ``!function`` inside a config."""
    if isinstance(value, Function):
        yield value
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from functions(entry)
    elif isinstance(value, (list, tuple)):
        for entry in value:
            yield from functions(entry)


def with_local_data(task: TaskFile, *, where: str) -> tuple[dict[str, Any], bool]:
    """The task's config with absolute data paths, and whether its data is on this machine by its own account (no hub name)."""
    config = dict(task.config)
    kwargs = dict(config.get("dataset_kwargs") or {})
    path = config.get("dataset_path")
    if path in _LOADERS:
        files = kwargs.get("data_files")
        if not files:
            raise ConfigError(
                f"task {task.name!r}: dataset_path is {path!r}, so dataset_kwargs.data_files must name files", where=where
            )
        if isinstance(files, Mapping):
            kwargs["data_files"] = {split: _paths(entry, task, where) for split, entry in files.items()}
        else:
            kwargs["data_files"] = _paths(files, task, where)
        _check_splits(config, files, task.name, where)
        return {**config, "dataset_kwargs": kwargs}, True
    if isinstance(path, str) and (task.folder / path).is_dir():
        return {**config, "dataset_path": str((task.folder / path).resolve())}, True
    return config, path is None


def _paths(entry: Any, task: TaskFile, where: str) -> list[str]:
    found: list[str] = []
    for name in entry if isinstance(entry, list) else [entry]:
        if not isinstance(name, str) or "://" in name:
            raise ConfigError(f"task {task.name!r}: data file {name!r} is not a local path; nothing is downloaded", where=where)
        if glob.has_magic(name):
            matches = sorted(glob.glob(str(task.folder / name), recursive=True))
            if not matches:
                raise ConfigError(f"task {task.name!r}: no file matches {task.folder / name}", where=where)
            found += matches
        else:
            found.append(str(locate(name, folder=task.folder, where=f"{where} (task {task.name!r})").resolve()))
    return found


def made_of(task: TaskFile, *, where: str) -> Iterator[Path]:
    """The files of the user that a task is made of: its YAML with what that includes, its code, its data."""
    if task.path is not None:
        yield from _included(task.path.resolve())
    for function in functions(task.config):
        code = function.file()
        if code is not None and code.is_relative_to(function.folder):
            yield code
    config, _ = with_local_data(task, where=where)
    data = (config.get("dataset_kwargs") or {}).get("data_files") if config.get("dataset_path") in _LOADERS else None
    for names in data.values() if isinstance(data, Mapping) else [data or []]:
        yield from map(Path, names)
    place = Path(str(config.get("dataset_path")))
    if place.is_absolute() and place.is_dir():
        yield from (path for path in sorted(place.rglob("*")) if path.is_file())


def _included(path: Path) -> Iterator[Path]:
    """A YAML file and those that it includes, which have been read before."""
    yield path
    loader = _Loader(path.read_text(encoding="utf-8"))
    loader.folder = path.parent
    includes = loader.get_single_data().get("include", [])
    for name in includes if isinstance(includes, list) else [includes]:
        yield from _included((path.parent / str(name)).resolve())


def _check_splits(config: Mapping[str, Any], files: Any, name: str, where: str) -> None:
    splits = set(files) if isinstance(files, Mapping) else {"train"}
    for field in ("test_split", "validation_split", "training_split", "fewshot_split"):
        split = config.get(field)
        if split is not None and str(split).split("[")[0] not in splits:
            raise ConfigError(
                f"task {name!r}: {field} is {split!r}, but data_files has {sorted(splits)}; write data_files as a mapping, "
                f"such as {{{split}: file.jsonl}} (a bare file is called 'train')",
                where=where,
            )


def plain(value: Any) -> Any:
    """A document as JSON could hold it."""
    return msgspec.to_builtins(value, str_keys=True, enc_hook=str)


def contents(file: TaskFile) -> Any:
    """The task's config without paths: functions as their file's hash, data by the items that it became."""

    def bare(value: Any) -> Any:
        if isinstance(value, Function):
            code = value.file()
            return {"function": value.spec, "code": file_digest(code) if code is not None and code.is_file() else None}
        if isinstance(value, Mapping):
            return {str(key): bare(entry) for key, entry in value.items()}
        return [bare(entry) for entry in value] if isinstance(value, list) else plain(value)

    return bare({key: value for key, value in file.config.items() if key not in ("dataset_path", "dataset_kwargs")})
