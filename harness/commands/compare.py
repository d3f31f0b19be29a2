"""``sftgate compare``: two candidates of a config, metric by metric, without any rule."""

from __future__ import annotations

import argparse

import msgspec
from rich.table import Table
from rich.text import Text

from harness.commands.console import show_wide
from harness.commands.gating import declare_config, load_config
from harness.config import Config
from harness.errors import UsageError
from harness.pipeline import conclude
from harness.pipeline.concluding import read_measured
from harness.plugins import did_you_mean
from harness.records import Comparison


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    declare_config(parser)
    parser.add_argument("--of", metavar="NAME", help="the candidate; default: every candidate but the other side")
    parser.add_argument("--against", metavar="NAME", help="the other side; default: the config's baseline")


def execute(arguments: argparse.Namespace) -> int:
    """A table on stdout; 0 whatever it says, because nothing was gated."""
    loaded = load_config(arguments)
    against = _known(arguments.against or loaded.config.baseline, loaded.config)
    others = [candidate.name for candidate in loaded.config.candidates if candidate.name != against]
    if arguments.of is not None and _known(arguments.of, loaded.config) == against:
        raise UsageError(
            f"{against!r} would be compared with itself. Name another one with --of or --against: {', '.join(others)}."
        )
    measured = {
        pair: msgspec.structs.replace(each, run=msgspec.structs.replace(each.run, reference=None))
        for pair, each in read_measured(loaded).items()
    }  # nobody is only a reference here: whoever is named is compared
    turned = msgspec.structs.replace(
        loaded, config=msgspec.structs.replace(loaded.config, baseline=against, rules=(), bad_answers=False)
    )
    conclusion = conclude(turned, measured)
    for name in [arguments.of] if arguments.of else others:
        show_wide(table(name, against, [c for c in conclusion.comparisons if c.candidate == name and c.baseline == against]))
    return 0


def _known(name: str, config: Config) -> str:
    names = [candidate.name for candidate in config.candidates]
    if name not in names:
        raise UsageError(f"{name!r} is not a candidate. {did_you_mean(name, names)}")
    return name


def table(name: str, against: str, comparisons: list[Comparison]) -> Table:
    """Gain and interval of every metric."""
    drawn = Table(title=f"{name} against {against}", title_justify="left", header_style="bold", box=None, pad_edge=False)
    for title in ("metric", against, name, "gain", "interval", "p", "items", "lost", "won", "method"):
        drawn.add_column(title, justify="left" if title in {"metric", "method"} else "right", no_wrap=True)
    for each in comparisons:
        interval = "" if each.low is None or each.high is None else f"[{each.low:+.4f}, {each.high:+.4f}]"
        drawn.add_row(
            each.metric, f"{each.baseline_value:.4f}", f"{each.candidate_value:.4f}", f"{each.gain:+.4f}", Text(interval),
            "" if each.p is None else f"{each.p:.2g}", str(each.items), str(each.lost), str(each.won), each.method,
        )  # fmt: skip
    return drawn
