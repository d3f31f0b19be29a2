"""``sftgate compare``: two candidates of a config, metric by metric, without any rule."""

from __future__ import annotations

import argparse

import msgspec
from rich.table import Table

from harness.commands.console import out
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
    measured = read_measured(loaded)
    turned = msgspec.structs.replace(
        loaded, config=msgspec.structs.replace(loaded.config, baseline=against, rules=(), bad_answers=False)
    )
    conclusion = conclude(turned, measured)
    wanted = {_known(arguments.of, loaded.config)} if arguments.of else {c.name for c in loaded.config.candidates} - {against}
    out.print(table(against, [c for c in conclusion.comparisons if c.candidate in wanted and c.baseline == against]))
    return 0


def _known(name: str, config: Config) -> str:
    names = [candidate.name for candidate in config.candidates]
    if name not in names:
        raise UsageError(f"{name!r} is not a candidate. {did_you_mean(name, names)}")
    return name


def table(against: str, comparisons: list[Comparison]) -> Table:
    """Gain and interval of every metric."""
    drawn = Table(title=f"against {against}", header_style="bold")
    for title in ("candidate", "metric", against, "value", "gain", "interval", "p", "items", "lost", "won", "method"):
        drawn.add_column(title, justify="left" if title in {"candidate", "metric", "method"} else "right")
    for each in comparisons:
        interval = "" if each.low is None or each.high is None else f"[{each.low:+.4f}, {each.high:+.4f}]"
        drawn.add_row(
            each.candidate, each.metric, f"{each.baseline_value:.4f}", f"{each.candidate_value:.4f}", f"{each.gain:+.4f}",
            interval, "" if each.p is None else f"{each.p:.2g}", str(each.items), str(each.lost), str(each.won), each.method,
        )  # fmt: skip
    return drawn
