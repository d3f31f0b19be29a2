"""The architecture as an executable drawing: who may import whom, what things may be called, and what stays cheap to import."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("harness", "suites", "judges", "reports", "trainers")

# One floor per line. A module may import from lower floors, and from its own floor as long as no circle arises. Rooms that a bar
# parts never import each other. A package stands for all that is inside it.
DRAWING = """
    harness.cli  harness.commands
    harness.pipeline | reports | trainers
    suites
    judges
    harness.engines  harness.schedule
    harness.gate  harness.compare  harness.plan  harness.store  harness.journal  harness.baselines  harness.history  harness.config
    harness.stats  harness.fingerprint  harness.checkpoints  harness.environment  harness.seals  harness.formats  harness.tables
    harness.protocols
    harness.strict  harness.lines  harness.plugins  harness.personal  harness.records  harness.errors
"""

# What the drawing allows and we forbid all the same: reports and trainers work without any suite.
CLOSED_DOORS = {("reports", "suites"), ("trainers", "suites")}

# What takes seconds to import, and the only rooms that may import it at all.
HEAVY = {"torch", "transformers", "peft", "accelerate", "vllm", "datasets", "lm_eval", "ray"}
MAY_BE_HEAVY = ("harness.engines.", "harness.tables.hub", "trainers.", "suites.lm_eval", "suites.encoder", "suites.classifier")

DRAWERS = {"utils", "util", "common", "helpers", "helper", "base", "manager", "misc"}


# --------------------------------------------------------------------------------------------- reading the drawing


def floors() -> list[list[set[str]]]:
    """Floors from the top; each a list of wings (parted by a bar), each wing a set of rooms."""
    return [[set(wing.split()) for wing in line.split("|")] for line in DRAWING.strip().splitlines()]


def rooms() -> dict[str, tuple[int, int]]:
    """Room -> (floor, wing)."""
    return {room: (height, wing) for height, floor in enumerate(floors()) for wing, names in enumerate(floor) for room in names}


def room_of(module: str) -> str | None:
    """The room that a module is in: the longest name in the drawing that it starts with."""
    parts = module.split(".")
    prefixes = [".".join(parts[:length]) for length in range(len(parts), 0, -1)]
    return next((prefix for prefix in prefixes if prefix in rooms()), None)


def allowed(importer: str, imported: str) -> bool:
    """May a module of room ``importer`` import from room ``imported``?"""
    (here, wing), (there, other) = rooms()[importer], rooms()[imported]
    if (importer, imported) in CLOSED_DOORS:
        return False
    return importer == imported or there > here or (there == here and wing == other)


# ------------------------------------------------------------------------------------------------ reading the code


@cache
def modules() -> dict[str, Path]:
    """Every module of the five packages, by dotted name."""
    found = {}
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_names(module: str, nodes: Iterator[ast.AST]) -> set[str]:
    """Full names of what import statements bring in; a name that is a module of ours is given as such."""
    path = modules()[module]
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                source = ".".join([*above, *([node.module] if node.module else [])])
            inner = {f"{source}.{alias.name}" for alias in node.names}
            names |= {name if name in modules() else source for name in inner}
    return names


def at_import_time(tree: ast.AST) -> Iterator[ast.AST]:
    """The nodes that run when a module is imported: all but what is inside functions and ``if TYPE_CHECKING``."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        yield node
        yield from at_import_time(node)


@cache
def imports(module: str) -> frozenset[str]:
    """All that a module imports, wherever in it."""
    return frozenset(imported_names(module, ast.walk(parse(module))))


@cache
def early_imports(module: str) -> frozenset[str]:
    """What a module imports when it is itself imported."""
    return frozenset(imported_names(module, at_import_time(parse(module))))


@cache
def parse(module: str) -> ast.Module:
    return ast.parse(modules()[module].read_text(encoding="utf-8"))


def is_ours(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


def is_heavy(name: str) -> bool:
    return name.split(".")[0] in HEAVY


# ----------------------------------------------------------------------------------------------------- the claims


def test_there_is_something_to_look_at() -> None:
    assert {"harness.records", "harness.schedule", "harness.fingerprint"} <= set(modules())
    assert "harness.records" in imports("harness.schedule")


def test_the_drawing_names_only_what_exists_or_a_top_level_room() -> None:
    known = set(modules()) | set(PACKAGES)
    assert set(rooms()) <= known, f"drawn but not built: {sorted(set(rooms()) - known)}"


def test_every_module_belongs_to_a_room() -> None:
    homeless = [module for module in modules() if module not in PACKAGES and room_of(module) is None]
    assert not homeless, f"not in the drawing: {homeless}"


def test_imports_point_down_only() -> None:
    wrong = []
    for module in modules():
        here = room_of(module)
        for name in imports(module):
            there = room_of(name) if is_ours(name) else None
            if here and there and not allowed(here, there):
                wrong.append(f"{module} imports {name}")
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_in_a_circle() -> None:
    graph = {module: {name for name in imports(module) if name in modules() and name != module} for module in modules()}
    rest = dict(graph)
    while free := [module for module, names in rest.items() if not names & rest.keys()]:
        for module in free:
            del rest[module]
    circle = {module: sorted(names & rest.keys()) for module, names in rest.items()}
    assert not circle, f"circles among: {circle}"


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("harness.records", "harness.journal"),
        ("harness.stats", "harness.compare"),
        ("harness.schedule", "suites"),
        ("reports", "trainers"),
        ("trainers", "harness.pipeline"),
        ("harness.pipeline", "reports"),
        ("trainers", "suites"),
        ("harness.gate", "harness.cli"),
    ],
)
def test_the_drawing_itself_forbids(importer: str, imported: str) -> None:
    assert not allowed(importer, imported)


def test_heavy_libraries_are_imported_only_where_models_live() -> None:
    wrong = [
        f"{module} imports {name}"
        for module in modules()
        for name in imports(module)
        if is_heavy(name) and not module.startswith(MAY_BE_HEAVY)
    ]
    assert not wrong, "\n".join(wrong)


def test_no_module_that_the_command_line_reaches_imports_a_heavy_library_when_imported() -> None:
    wrong = []
    for module in reached_from(entrances()):
        wrong += [f"{module} imports {name} at module level" for name in early_imports(module) if is_heavy(name)]
    assert not wrong, "\n".join(wrong)


def entrances() -> list[str]:
    """What a user's command may import: every verb, and every plugin that a config can name."""
    rooms_of_plugins = {"suites", "judges", "harness.engines"}
    return [
        module for module in modules() if room_of(module) in {"harness.cli", "harness.commands", "harness.pipeline", "reports"}
    ] + [module for module in modules() if module in rooms_of_plugins or module.rpartition(".")[0] in {"suites", "judges"}]


def reached_from(start: list[str]) -> set[str]:
    """Modules that importing ``start`` imports, parents included."""
    seen: set[str] = set()
    waiting = list(start)
    while waiting:
        module = waiting.pop()
        if module in seen or module not in modules():
            continue
        seen.add(module)
        waiting += early_imports(module)
        waiting.append(module.rpartition(".")[0])
    return seen


def test_importing_the_command_line_and_every_plugin_room_loads_nothing_heavy() -> None:
    code = (
        "import importlib, sys\n"
        f"for name in {sorted(entrances())!r}:\n"
        "    importlib.import_module(name)\n"
        f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_nothing_is_named_like_a_drawer() -> None:
    parts = {part for module in modules() for part in module.split(".")}
    assert not parts & DRAWERS


def test_nothing_is_named_like_the_standard_library() -> None:
    inside = {module: module.rpartition(".")[2] for module in modules() if not module.endswith("__")}
    wrong = {module for module, name in inside.items() if name in sys.stdlib_module_names}
    assert not wrong


def test_the_nouns_import_nothing_of_ours() -> None:
    for module in modules():
        if room_of(module) in ("harness.records", "harness.errors"):
            assert not {name for name in imports(module) if is_ours(name) and room_of(name) != room_of(module)}
