"""What ``sftgate review export`` can be told, and what it says when it is done."""

from __future__ import annotations

import argparse
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from harness.commands.console import out
from harness.config import Loaded
from harness.config.declared import ReviewConfig
from harness.errors import UsageError
from harness.pipeline.concluding import read_measured
from harness.plugins import did_you_mean

if TYPE_CHECKING:
    from reports.blind.key import Key
    from reports.blind.package import Plan
    from reports.blind.picking import Line

USUAL = ReviewConfig()
DRAWING = ("items", "by", "allocation", "disputed", "disputed_metric")
"""What says how items are drawn."""
NOTHING_DONE = "shown as they are; --leaks mask masks what names it, --leaks omit leaves them out"


def declare_export(parser: argparse.ArgumentParser) -> None:
    """Flags: what to draw, what to plant, who sees it, what to ask, in which forms. Those that are not given are as ``[review]`` of
    the config says."""
    what = parser.add_argument_group("which answers")
    what.add_argument("--of", metavar="NAME", help="the candidate to review against the baseline; needed where there are several")
    what.add_argument("--suite", metavar="NAME", help="whose answers to show; needed where there are several suites")
    what.add_argument("--items-file", type=Path, metavar="JSONL", help="items picked by hand in the report, instead of drawing any")
    what.add_argument("--items", type=int, help=f"how many items to draw (default {USUAL.items})")
    what.add_argument("--seed", type=int, help="draws items, sides and order (default 0)")
    what.add_argument("--by", metavar="SLICE", help="draw in strata, one for each value of this slice")
    what.add_argument("--allocation", choices=("proportional", "equal"), help="of items to strata (default proportional)")
    what.add_argument("--disputed", type=float, metavar="TIMES", help="draw disputed items so many times as often")
    what.add_argument("--disputed-metric", metavar="METRIC", help="items are disputed too where this metric is above 0")
    what.add_argument(
        "--leaks", choices=("show", "mask", "omit"),
        help="of answers that may name a model: show and flag them (default), mask the names, or leave the items out",
    )  # fmt: skip
    plant = parser.add_argument_group("what to plant, and who sees what")
    plant.add_argument("--checks", type=int, metavar="N", help="attention checks (default 0)")
    plant.add_argument("--check-file", metavar="JSONL", help="your own checks: name, question, better, worse")
    plant.add_argument("--duplicates", type=int, metavar="N", help="items shown twice, sides exchanged (default 0)")
    plant.add_argument("--raters", nargs="+", metavar="NAME", help="split the work over these people")
    plant.add_argument("--each", type=int, metavar="N", help="so many of them see an item (default 1)")
    plant.add_argument("--shared", type=int, metavar="N", help="so many items are seen by all of them (default 0)")
    plant.add_argument("--separate", action=argparse.BooleanOptionalAction, help="one package for each of them")
    form = parser.add_argument_group("what to ask, and in which forms")
    form.add_argument("--strength", action=argparse.BooleanOptionalAction, help='"much better" and "better"')
    form.add_argument("--reasons", nargs="+", metavar="WORD", help="to tick, several at once")
    form.add_argument("--criteria", nargs="+", metavar="WORD", help="each answer is rated 1 to 5 on every one")
    form.add_argument("--language", choices=("en", "zh"), help="of the interface (default en)")
    form.add_argument("--guidance", metavar="TEXT", help="what raters should go by, in a sentence or two")
    form.add_argument(
        "--formats", nargs="+", metavar="FORMAT", help="html, csv, xlsx, label-studio, argilla, potato (default: html csv)"
    )
    form.add_argument("--folder", type=Path, help="where to write (default: review/ in the store)")


def export_review(loaded: Loaded, arguments: argparse.Namespace) -> int:
    """Write the packages and their key, and say where they are and what they hold."""
    from reports.blind.key import package_paths, read_key
    from reports.blind.package import export
    from reports.blind.picking import places_of, read_picked

    config = loaded.config
    others = [candidate.name for candidate in config.candidates if candidate.name != config.baseline]
    suites = [entry.name for entry in config.suites]
    settings = _settings(loaded, arguments)
    lines: list[Line] = []
    if arguments.items_file is not None:
        _require_undrawn(arguments)
        lines = read_picked(arguments.items_file, baseline=config.baseline, candidates=others, suites=suites)
    name = _chosen("--of", arguments.of, list(dict.fromkeys(line.picked.candidate for line in lines)) or others)
    if lines:
        suites = list(dict.fromkeys(line.picked.suite for line in lines if line.picked.candidate == name))
    suite = _chosen("--suite", arguments.suite if lines else settings.suite, suites)
    measured = read_measured(loaded)
    baseline, candidate = measured[(suite, config.baseline)], measured[(suite, name)]
    plan = _plan(settings, places_of(lines, baseline, candidate))
    key_file = export(baseline, candidate, folder=arguments.folder or loaded.store / "review", plan=plan)
    key = read_key(key_file)
    for rater, package in zip(key.raters if key.separate else ("the raters",), package_paths(key_file, key), strict=True):
        out.print(f"for {rater}: {package}", markup=False)
    out.print(f"for nobody but you: {key_file}", markup=False)
    for said in (*_held(key), *_unmeant(lines, suite, name)):
        out.print(said, markup=False)
    return 0


def _require_undrawn(arguments: argparse.Namespace) -> None:
    """UsageError where a flag says how to draw, beside the file that says which items."""
    for name in DRAWING:
        if getattr(arguments, name) is not None:
            flag = "--" + name.replace("_", "-")
            raise UsageError(f"--items-file says which items, and {flag} how to draw them: leave one of them out")


def _unmeant(lines: Sequence[Line], suite: str, name: str) -> list[str]:
    """What else stands in the file."""
    others = Counter((line.picked.suite, line.picked.candidate) for line in lines)
    return [
        f"not in this review: {count} of the file's items, with --suite {shlex.quote(other)} --of {shlex.quote(candidate)}"
        for (other, candidate), count in others.items()
        if (other, candidate) != (suite, name)
    ]


def _settings(loaded: Loaded, arguments: argparse.Namespace) -> ReviewConfig:
    """The config's, and over them what flags say. A file of the config's lies beside the config, a flag's where we are."""
    own = loaded.config.review
    if own.check_file is not None:
        own = msgspec.structs.replace(own, check_file=str(loaded.folder / own.check_file))
    given = {name: getattr(arguments, name) for name in ReviewConfig.__struct_fields__}
    return msgspec.structs.replace(
        own, **{name: tuple(value) if isinstance(value, list) else value for name, value in given.items() if value is not None}
    )


def _plan(settings: ReviewConfig, picked: tuple[tuple[str, str], ...]) -> Plan:
    """``picked``: then nothing is drawn, whatever the config says of that."""
    from reports.blind.assigning import Panel
    from reports.blind.form import Form
    from reports.blind.package import Plan
    from reports.blind.sampling import Sampling

    drawing = Sampling(items=settings.items, by=settings.by, allocation=settings.allocation, disputed=settings.disputed)
    return Plan(
        seed=settings.seed,
        sampling=Sampling(picked=picked) if picked else drawing,
        metric=None if picked else settings.disputed_metric,
        leaks=settings.leaks,
        checks=settings.checks,
        check_file=None if settings.check_file is None else Path(settings.check_file),
        duplicates=settings.duplicates,
        panel=Panel(raters=settings.raters, each=settings.each, shared=settings.shared, separate=settings.separate),
        form=Form(
            strength=settings.strength,
            reasons=settings.reasons,
            criteria=settings.criteria,
            language=settings.language,
            guidance=settings.guidance,
        ),
        formats=settings.formats,
    )


def _held(key: Key) -> list[str]:
    """What was drawn and planted, left out and flagged; nothing where all was shown as it is."""
    from reports.blind.cleaning import MASK

    lines = [f"{stratum.drawn} of {stratum.size} items of {name!r}" for name, stratum in key.strata.items()]
    if key.picked:
        lines.append("picked by hand, and no sample: votes on them inform, and never gate")
    kinds = Counter(entry.kind for entry in key.entries)
    if kinds["attention"] or kinds["duplicate"]:
        lines.append(f"planted: {kinds['attention']} attention checks, {kinds['duplicate']} duplicates")
    out_of_it = {"answered alike": key.identical, "without an answer": key.unanswered, "may name a model": key.leaking}
    if any(out_of_it.values()):
        lines.append("left out: " + ", ".join(f"{number} {why}" for why, number in out_of_it.items() if number))
    leaking = [entry for entry in key.items if entry.leaks]
    if leaking:
        said = ", ".join(sorted({leak for entry in leaking for leak in entry.leaks}))
        done = "masked" if any(MASK in text for entry in leaking for text in (entry.left, entry.right)) else NOTHING_DONE
        lines.append(f"items that may name a model: {len(leaking)} ({said}); {done}")
    return lines


def _chosen(flag: str, name: str | None, known: list[str]) -> str:
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise UsageError(f"there are several to choose from; name one with {flag}: {', '.join(known)}")
    if name not in known:
        raise UsageError(f"{flag}: there is no {name!r} to review. {did_you_mean(name, known)}")
    return name
