"""lm-eval task files, read by us: names, paths and inline tasks become plain configs before anything of theirs runs.

Reading them ourselves makes three promises possible: data files are found beside the YAML, no ``!function`` runs unless the
config allows code, and every complaint names the file.
"""

from __future__ import annotations

import difflib
import functools
import glob
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from harness.errors import ConfigError
from suites.rows import locate

_LOADERS = frozenset({"json", "csv", "parquet", "text", "arrow", "pandas", "xml"})
_GROUP_FIELDS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "version", "metadata", "tag"})


class Function(NamedTuple):
    """A ``!function module.name`` of a YAML file, not yet imported. ``folder`` is the folder of the file."""

    spec: str
    folder: Path

    def file(self) -> Path:
        """The Python file beside the YAML that holds it (if it is one)."""
        return self.folder / (self.spec.rpartition(".")[0].replace(".", "/") + ".py")


class TaskFile(NamedTuple):
    """One leaf task: its name, its config (functions unresolved), and the folder that its data files are relative to."""

    name: str
    config: dict[str, Any]
    folder: Path


class _Loader(yaml.SafeLoader):
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


class Catalogue:
    """The tasks, groups and tags of some folders, by name."""

    def __init__(self, folders: Sequence[Path], *, where: str) -> None:
        self.where = where
        self.files: dict[str, TaskFile] = {}
        self.tags: dict[str, list[str]] = {}
        self.unreadable: list[str] = []
        for folder in folders:
            for path in sorted(folder.glob("**/*.yaml")):
                self._add(path)

    def _add(self, path: Path) -> None:
        try:
            config = read_yaml(path, where=self.where)
        except ConfigError as error:
            self.unreadable.append(str(error))
            return
        name = config.get("group") or config.get("task")
        if isinstance(name, str):
            self.files[name] = TaskFile(name, config, path.parent)
            tags = config.get("tag") or []
            for tag in tags if isinstance(tags, list) else [tags]:
                self.tags.setdefault(str(tag), []).append(name)

    def expand(self, name: str, overrides: Mapping[str, Any]) -> Iterator[TaskFile]:
        """The leaf tasks that a name stands for: a task, a group's members, a tag's tasks."""
        if name not in self.files and name in self.tags:
            for member in sorted(self.tags[name]):
                yield from self.expand(member, overrides)
            return
        yield from self.leaves(self._find(name), overrides)

    def _find(self, name: str) -> TaskFile:
        found = self.files.get(name) or _installed(name)
        if found is not None:
            return found
        near = difflib.get_close_matches(name, [*self.files, *self.tags, *_installed_index()], n=3, cutoff=0.6)
        known = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        broken = f" Files that could not be read: {' '.join(self.unreadable)}" if self.unreadable else ""
        raise ConfigError(
            f"no task, group or tag is called {name!r}, neither in the folders of 'include' nor in the installed lm-eval. "
            f"{known}A path to a YAML file works too.{broken}",
            where=self.where,
        )

    def leaves(self, found: TaskFile, overrides: Mapping[str, Any]) -> Iterator[TaskFile]:
        """A task itself, or a group's members with the group's own settings laid over them."""
        config = found.config
        if "group" not in config:
            yield found._replace(config={**config, **overrides, "task": found.name})
            return
        shared = {key: value for key, value in config.items() if key not in _GROUP_FIELDS} | dict(overrides)
        for member in config.get("task") or []:
            if isinstance(member, str):
                yield from self.expand(member, shared)
            elif "group" in member and member["group"] in self.files:
                inner = {key: value for key, value in member.items() if key != "group"}
                yield from self.expand(str(member["group"]), {**shared, **inner})
            elif "group" in member:
                yield from self.leaves(TaskFile(str(member["group"]), dict(member), found.folder), shared)
            elif member.get("task") in self.files or _installed(str(member.get("task"))) is not None:
                own = {key: value for key, value in member.items() if key != "task"}
                yield from self.expand(str(member["task"]), {**shared, **own})
            else:
                name = f"{found.name}::{member.get('task')}"
                yield TaskFile(name, {**shared, **member, "task": name}, found.folder)


@functools.cache
def _installed_index() -> Mapping[str, Any]:
    from lm_eval.tasks import TaskManager

    index: Mapping[str, Any] = TaskManager(include_defaults=True).task_index
    return index


@functools.cache
def _installed(name: str) -> TaskFile | None:
    """A task or group that comes with lm-eval. Looking it up scans its thousands of files, once, and only when it is needed."""
    entry = _installed_index().get(name)
    if entry is None:
        return None
    if entry.yaml_path is None:  # a tag: a group without settings
        return TaskFile(name, {"group": name, "task": sorted(entry.tags)}, Path())
    return TaskFile(name, read_yaml(entry.yaml_path, where=name), entry.yaml_path.parent)


def task_files(tasks: Sequence[str | dict[str, Any]], include: Sequence[str], *, folder: Path, where: str) -> list[TaskFile]:
    """The leaf tasks of a suite, in order, each once. ConfigError for unknown names, missing folders and doubled tasks."""
    folders = [_folder(name, folder, f"{where}.include") for name in include]
    catalogue = Catalogue(folders, where=f"{where}.tasks")
    found: list[TaskFile] = []
    for task in tasks:
        if isinstance(task, dict):
            if not isinstance(task.get("task"), str):
                raise ConfigError("an inline task needs a name: task = 'name'", where=f"{where}.tasks")
            found.append(TaskFile(task["task"], dict(task), folder))
        elif task.endswith((".yaml", ".yml")):
            path = locate(task, folder=folder, where=f"{where}.tasks")
            config = read_yaml(path, where=f"{where}.tasks")
            name = config.get("group") or config.get("task")
            if not isinstance(name, str):
                raise ConfigError(f"{path} names neither a task nor a group", where=f"{where}.tasks")
            found += catalogue.leaves(TaskFile(name, config, path.parent), {})
        else:
            found += catalogue.expand(task, {})
    names = [task.name for task in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not found:
        raise ConfigError(
            f"these tasks stand there twice: {', '.join(twice)}" if twice else "no task is named", where=f"{where}.tasks"
        )
    return found


def _folder(name: str, folder: Path, where: str) -> Path:
    path = Path(name).expanduser()
    path = path if path.is_absolute() else folder / path
    if not path.is_dir():
        raise ConfigError(f"there is no folder {path}; 'include' names folders that hold task files", where=where)
    return path


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
