"""What a name stands for: a task, a group's members, a tag's tasks. Expanded as lm-eval's ``TaskFactory`` expands them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import ConfigError
from suites.lm_eval_files import TaskFile, read_yaml
from suites.lm_eval_index import Entry, index_of, installed, yaml_files
from suites.rows import locate

_GROUP_FIELDS = frozenset({"group", "group_alias", "task", "aggregate_metric_list", "version", "metadata", "tag", "task_list"})


class GroupFile(NamedTuple):
    """A group: its leaf tasks in order, each once, and its ``aggregate_metric_list``."""

    name: str
    tasks: tuple[str, ...]
    aggregates: tuple[Mapping[str, Any], ...]


class Expanded(NamedTuple):
    """The leaf tasks of a suite, in order, and the groups that they came from."""

    files: tuple[TaskFile, ...]
    groups: tuple[GroupFile, ...]


class Catalogue:
    """The tasks, groups and tags of some folders by name, before those that come with lm-eval."""

    def __init__(self, folders: Sequence[Path], *, where: str) -> None:
        self.where = where
        self.unreadable: list[str] = []
        self.groups: dict[str, GroupFile] = {}
        self._within: list[str] = []
        self._own: dict[str, Entry] = {}
        for folder in folders:
            self._own |= index_of((path, head) for path in yaml_files(folder) if (head := self._readable(path)) is not None)

    def _readable(self, path: Path) -> dict[str, Any] | None:
        try:
            return read_yaml(path, where=self.where)
        except ConfigError as error:
            self.unreadable.append(str(error))
            return None

    def _entry(self, name: str) -> Entry | None:
        return self._own.get(name) or installed().get(name)

    def expand(self, name: str, overrides: Mapping[str, Any]) -> list[TaskFile]:
        """The leaf tasks that a name stands for. ConfigError for an unknown one."""
        entry = self._entry(name)
        if entry is None:
            raise ConfigError(self._unknown(name), where=self.where)
        if entry.path is None:
            return [file for member in entry.members for file in self.expand(member, overrides)]
        path = Path(entry.path)
        return self.leaves(TaskFile(name, read_yaml(path, where=self.where), path.parent, path), overrides)

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, [*self._own, *installed()], n=3, cutoff=0.6)
        known = f"Did you mean {' or '.join(map(repr, near))}? " if near else ""
        broken = f" Files that could not be read: {' '.join(self.unreadable)}" if self.unreadable else ""
        return (
            f"no task, group or tag is called {name!r}, neither in the folders of 'include' nor in the installed lm-eval. "
            f"{known}A path to a YAML file works too.{broken}"
        )

    def leaves(self, found: TaskFile, overrides: Mapping[str, Any]) -> list[TaskFile]:
        """A task itself, or a group's members with the group's own settings laid over them; the group is remembered."""
        config = found.config
        if "group" not in config or "class" in config:
            return [found._replace(config={**config, **overrides, "task": found.name})]
        if found.name in self._within:
            raise ConfigError(f"group {found.name!r} is among its own tasks", where=self.where)
        shared = {key: value for key, value in config.items() if key not in _GROUP_FIELDS} | dict(overrides)
        members = config.get("task")
        self._within.append(found.name)
        listed = members if isinstance(members, list) else []
        files = _once([file for member in listed for file in self._member(member, found, shared)])
        self._within.pop()
        aggregates = config.get("aggregate_metric_list") or []
        aggregates = tuple(aggregates if isinstance(aggregates, list) else [aggregates])
        self.groups[found.name] = GroupFile(found.name, tuple(file.name for file in files), aggregates)
        return files

    def _member(self, member: Any, group: TaskFile, shared: Mapping[str, Any]) -> list[TaskFile]:
        """One line of a group's ``task`` list: a name, a name with settings, or a task or group that stands there in full."""
        if isinstance(member, str):
            return self.expand(member, shared)
        field = "group" if isinstance(member, Mapping) and "group" in member else "task"
        if not isinstance(member, Mapping) or not isinstance(member.get(field), str):
            raise ConfigError(
                f"group {group.name!r}: found {member!r} among its tasks; expected a name, or a mapping with 'task' or 'group'",
                where=self.where,
            )
        name = member[field]
        if self._entry(name) is not None:
            return self.expand(name, {**shared, **{key: value for key, value in member.items() if key != field}})
        inner = f"{group.name}::{name}"
        if field == "group":
            return self.leaves(TaskFile(inner, dict(member), group.folder, group.path), shared)
        return [TaskFile(inner, {**shared, **member, "task": inner}, group.folder, group.path)]


def task_files(tasks: Sequence[str | dict[str, Any]], include: Sequence[str], *, folder: Path, where: str) -> Expanded:
    """The leaf tasks of a suite, in order, and their groups. ConfigError for unknown names, missing folders and doubled tasks."""
    folders = [_folder(name, folder, f"{where}.include") for name in include]
    catalogue = Catalogue(folders, where=f"{where}.tasks")
    found: list[TaskFile] = []
    for task in tasks:
        own = _once(_named(task, catalogue, folder=folder, where=where))
        twice = sorted({file.name for file in own} & {file.name for file in found})
        if twice:
            raise ConfigError(f"these tasks stand there twice: {', '.join(twice)}", where=f"{where}.tasks")
        found += own
    if not found:
        raise ConfigError("no task is named", where=f"{where}.tasks")
    clash = sorted({slashless(file.name) for file in found} & {slashless(name) for name in catalogue.groups})
    if clash:
        raise ConfigError(f"a task and a group are both called {', '.join(clash)}", where=f"{where}.tasks")
    return Expanded(tuple(found), tuple(catalogue.groups.values()))


def _named(task: str | dict[str, Any], catalogue: Catalogue, *, folder: Path, where: str) -> list[TaskFile]:
    """What one entry of ``tasks`` stands for: an inline table, a file, or a name."""
    if isinstance(task, dict):
        name = task.get("group", task.get("task"))
        if not isinstance(name, str):
            raise ConfigError("an inline task needs a name: task = 'name'", where=f"{where}.tasks")
        return catalogue.leaves(TaskFile(name, dict(task), folder, None), {})
    if not task.endswith((".yaml", ".yml")):
        return catalogue.expand(task, {})
    path = locate(task, folder=folder, where=f"{where}.tasks")
    config = read_yaml(path, where=f"{where}.tasks")
    name = config.get("group") or config.get("task")
    if not isinstance(name, str):
        raise ConfigError(f"{path} names neither a task nor a group", where=f"{where}.tasks")
    return catalogue.leaves(TaskFile(name, config, path.parent, path), {})


def _once(files: Sequence[TaskFile]) -> list[TaskFile]:
    """Each task once; lm-eval keeps the last where groups of one name share a task."""
    return list({file.name: file for file in files}.values())


def slashless(name: str) -> str:
    """A task's name as a part of ``suite/task/metric``."""
    return name.replace("/", "-")


def _folder(name: str, folder: Path, where: str) -> Path:
    path = Path(name).expanduser()
    path = path if path.is_absolute() else folder / path
    if not path.is_dir():
        raise ConfigError(f"there is no folder {path}; 'include' names folders that hold task files", where=where)
    return path
