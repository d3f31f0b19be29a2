"""``sftgate review``: export a blind package of paired answers for people; import their votes as the metric ``human/win``."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from harness.commands.console import out
from harness.commands.gating import declare_config, load_config
from harness.config import Loaded
from harness.environment import environment
from harness.errors import UsageError
from harness.pipeline.concluding import read_measured
from harness.pipeline.preparing import HUMAN
from harness.plugins import did_you_mean
from harness.records import Measured
from harness.store import Store


def declare(parser: argparse.ArgumentParser) -> None:
    """Flags."""
    parser.add_argument("action", choices=("export", "import"))
    declare_config(parser)
    exporting = parser.add_argument_group("export")
    exporting.add_argument(
        "--of", metavar="NAME", help="the candidate to review against the baseline; needed where there are several"
    )
    exporting.add_argument("--suite", metavar="NAME", help="whose answers to show; needed where there are several suites")
    exporting.add_argument("--items", type=int, default=60, help="how many items to draw (default 60)")
    exporting.add_argument("--seed", type=int, default=0, help="draws the items and the sides (default 0)")
    exporting.add_argument("--folder", type=Path, help="where to write (default: review/ in the store)")
    exporting.add_argument("--guidance", default="", help="what raters should go by, in a sentence or two")
    importing = parser.add_argument_group("import")
    importing.add_argument("--key", type=Path, help="the key file that the export wrote beside the package")
    importing.add_argument(
        "--votes", type=Path, nargs="+", default=[], help="what raters saved: JSON from the page, or the filled CSV"
    )


def execute(arguments: argparse.Namespace) -> int:
    """0 when the package was written, or the votes are in the store."""
    loaded = load_config(arguments)
    return _export(loaded, arguments) if arguments.action == "export" else _import(loaded, arguments)


def _export(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from reports.review import export, key_path

    config = loaded.config
    others = [candidate.name for candidate in config.candidates if candidate.name != config.baseline]
    name = _chosen("--of", arguments.of, others)
    measured = read_measured(loaded)
    suite = _chosen("--suite", arguments.suite, [entry.name for entry in config.suites])
    folder = arguments.folder or loaded.store / "review"
    baseline, candidate = measured[(suite, config.baseline)], measured[(suite, name)]
    package = export(baseline, candidate, folder=folder, items=arguments.items, seed=arguments.seed, guidance=arguments.guidance)
    out.print(f"for the raters: {package}", markup=False)
    out.print(f"for nobody but you: {key_path(package)}", markup=False)
    return 0


def _chosen(flag: str, name: str | None, known: list[str]) -> str:
    if name is None and len(known) == 1:
        return known[0]
    if name is None:
        raise UsageError(f"there are several to choose from; name one with {flag}: {', '.join(known)}")
    if name not in known:
        raise UsageError(f"{flag}: there is no {name!r} to review. {did_you_mean(name, known)}")
    return name


def _import(loaded: Loaded, arguments: argparse.Namespace) -> int:
    from reports.review import read_key, read_votes, tally, to_measured

    if arguments.key is None or not arguments.votes:
        raise UsageError("review import needs --key KEY.json and --votes FILE …")
    key = read_key(arguments.key)
    votes = read_votes(arguments.votes, key)
    store = Store(loaded.store)
    current = store.current()
    created = datetime.now(UTC).isoformat(timespec="seconds")
    for measured in to_measured(votes, key, created=created, environment=environment()):
        pair = (HUMAN, measured.run.candidate.name)
        merged = merge(_earlier(store, current.get(pair)), measured)
        current[pair] = store.write_run(merged.run, merged.samples)
    store.set_current(current)
    for line in msgspec.to_builtins(tally(votes, key)).items():
        out.print(f"{line[0]:<12} {line[1]}", markup=False)
    out.print(f"{len(votes)} votes are in {loaded.store} as human/win. Now: sftgate gate {loaded.file}", markup=False)
    return 0


def _earlier(store: Store, path: Path | None) -> Measured | None:
    """The votes so far; none where their folder was deleted, as is advised where they were changed."""
    return None if path is None or not path.exists() else store.read(path)


def merge(earlier: Measured | None, votes: Measured) -> Measured:
    """Votes about other items (another suite, another candidate's baseline) stay; votes about the same items are replaced."""
    if earlier is None or earlier.run.fingerprints != votes.run.fingerprints:
        return votes
    fresh = {sample.key for sample in votes.samples}
    samples = (*(sample for sample in earlier.samples if sample.key not in fresh), *votes.samples)
    failed = sum(sample.error is not None for sample in samples)
    run = msgspec.structs.replace(votes.run, planned=len(samples), asked=len(samples), failed=failed)
    return Measured(run=run, samples=samples)
