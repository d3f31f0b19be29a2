"""``sftgate compare``: two candidates of a config, or two folders that lm-eval wrote, metric by metric and without any rule."""

from __future__ import annotations

import argparse
import re
import tempfile
from pathlib import Path

import msgspec
from rich.table import Table
from rich.text import Text

from harness.commands.console import err, show_wide
from harness.commands.gating import declare_config, load_config
from harness.compare import broken
from harness.config import CandidateConfig, Config, Loaded, SuiteConfig
from harness.engines.lm_eval_output import Output, read_output
from harness.engines.lm_eval_results import passed_over
from harness.errors import ComparabilityError, UsageError
from harness.pipeline import conclude, measure, prepare
from harness.pipeline.concluding import read_measured
from harness.plugins import did_you_mean
from harness.records import Comparison, Conclusion


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    parser.add_argument("other", nargs="?", type=Path, metavar="FOLDER",
                        help="with two output folders of lm-eval (--log_samples) instead of a config: the second")  # fmt: skip
    parser.add_argument("--of", metavar="NAME", help="the candidate; default: every candidate but the other side")
    parser.add_argument("--against", metavar="NAME", help="the other side; default: the config's baseline")


def execute(arguments: argparse.Namespace) -> int:
    """A table on stdout; 0 whatever it says, because nothing was gated. ComparabilityError where nothing may be compared."""
    if arguments.other is not None or arguments.config.is_dir():
        for place in (arguments.config, arguments.other):
            if place is not None and place.suffix in {".toml", ".yaml", ".yml"}:
                raise UsageError(f"{place} is a config. Name one config and nothing else, or two output folders of lm-eval")
        return _folders(arguments)
    loaded = load_config(arguments)
    against = _known(arguments.against or loaded.config.baseline, loaded.config)
    others = [candidate.name for candidate in loaded.config.candidates if candidate.name != against]
    if arguments.of is not None and _known(arguments.of, loaded.config) == against:
        raise UsageError(
            f"{against!r} would be compared with itself. Name another one with --of or --against: {', '.join(others)}."
        )
    _show(loaded, against, [arguments.of] if arguments.of else others)
    return 0


def _folders(arguments: argparse.Namespace) -> int:
    """Two lm-eval runs: the config that compares them, measured into a store that is thrown away."""
    if arguments.other is None:
        raise UsageError(
            f"{arguments.config} is a folder. Name a config, or two output folders of lm-eval: sftgate compare OLD NEW"
        )
    if any((arguments.of, arguments.against, arguments.sets, arguments.candidates)):
        raise UsageError("--of, --against, --set and --candidate belong to a config; of two folders the first is the baseline")
    places = [Path(place).resolve() for place in (arguments.config, arguments.other)]
    left, right = (
        read_output(place, where=name) for place, name in zip(places, ("the first folder", "the second folder"), strict=True)
    )
    tasks = [name for name in left.tasks if name in right.tasks]
    for one, two in ((left, right), (right, left)):
        lonely = [name for name in one.tasks if name not in two.tasks]
        if lonely:
            err.print(f"not compared, because only {one.place} has samples of it: {', '.join(lonely)}", markup=False)
    if not tasks:
        raise UsageError(f"the two runs have no task in common: {', '.join(left.tasks)} against {', '.join(right.tasks)}")
    names = _names(left, right)
    for name, output in zip(names, (left, right), strict=True):
        if output.older:
            err.print(passed_over(name, output), markup=False)
    with tempfile.TemporaryDirectory(prefix="sftgate-") as store:
        candidates = tuple(
            CandidateConfig(name=name, model=str(place), engine="lm_eval_results")
            for name, place in zip(names, places, strict=True)
        )
        suite = SuiteConfig(name="lm_eval", use="lm_eval_results", options={"items": str(places[0]), "tasks": tasks})
        config = Config(candidates=candidates, suites=(suite,), baseline=names[0], store=store)
        loaded = Loaded(config=config, folder=Path.cwd(), file="")
        measure(prepare(loaded))
        _show(loaded, names[0], [names[1]])
    return 0


def _names(left: Output, right: Output) -> tuple[str, str]:
    """What to call the sides: the folders' names, with their parents' as far as they need them to differ."""
    first, second = (Path(output.place).resolve().parts for output in (left, right))
    for depth in range(1, max(len(first), len(second))):
        one, two = ("-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part) for part in parts[-depth:]) for parts in (first, second))
        if one != two:
            return one, two
    raise UsageError("both folders are the same one, which would be compared with itself")


def _show(loaded: Loaded, against: str, others: list[str]) -> None:
    measured = {
        pair: msgspec.structs.replace(each, run=msgspec.structs.replace(each.run, reference=None))
        for pair, each in read_measured(loaded).items()
    }  # nobody is only a reference here: whoever is named is compared
    turned = msgspec.structs.replace(
        loaded, config=msgspec.structs.replace(loaded.config, baseline=against, rules=(), bad_answers=False)
    )
    conclusion = conclude(turned, measured)
    for name in others:
        found = [c for c in conclusion.comparisons if c.candidate == name and c.baseline == against]
        if not found:
            raise ComparabilityError(_why(conclusion, name, against))
        show_wide(table(name, against, found))


def _why(conclusion: Conclusion, name: str, against: str) -> str:
    lines = [line for line in conclusion.parity if line.candidate == name and broken(line)]
    listed = "; ".join(f"{line.suite}: {line.what} ({line.baseline_value} · {line.candidate_value})" for line in lines)
    return f"{name!r} cannot be compared with {against!r}: {listed or 'they have no answered item in common'}"


def _known(name: str, config: Config) -> str:
    names = [candidate.name for candidate in config.candidates]
    if name not in names:
        raise UsageError(f"{name!r} is not a candidate. {did_you_mean(name, names)}")
    return name


def table(name: str, against: str, comparisons: list[Comparison]) -> Table:
    """Gain and interval of every metric."""
    title = f"{name} against {against} (a gain above 0 is better)"
    drawn = Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)
    levels = " or ".join(f"{level:.0%}" for level in sorted({each.level for each in comparisons}))
    for heading in ("metric", against, name, "gain", f"{levels} interval", "p", "items", "lost", "won", "method"):
        drawn.add_column(heading, justify="left" if heading in {"metric", "method"} else "right", no_wrap=True)
    for each in comparisons:
        interval = "" if each.low is None or each.high is None else f"[{each.low:+.4f}, {each.high:+.4f}]"
        drawn.add_row(
            each.metric, f"{each.baseline_value:.4f}", f"{each.candidate_value:.4f}", f"{each.gain:+.4f}", Text(interval),
            "" if each.p is None else f"{each.p:.2g}", str(each.items), str(each.lost), str(each.won), each.method,
        )  # fmt: skip
    return drawn
