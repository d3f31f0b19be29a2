"""Blind review: packages of paired answers for people.

``export`` writes ``package-<id>/`` for the raters (or one for each of them) and, beside it, ``key-<id>.json`` for whoever imports.
Nothing in a package says which answer is whose: sides, items and their order are drawn by the seed together with both runs'
fingerprints (which raters do not have), ids are counters, and what is written for raters is made from nothing but what they see
(``Parcel``).
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from harness.errors import UsageError
from harness.fingerprint import digest
from harness.plugins import did_you_mean
from harness.records import Measured, Record
from harness.store import atomic_write
from reports.blind.argilla import argilla
from reports.blind.assigning import Panel, assigned, check_panel
from reports.blind.checks import AUTHORED, Check, read_checks
from reports.blind.cleaning import Leaks
from reports.blind.form import Form, check_form
from reports.blind.instructions import instructions
from reports.blind.key import NAME_DIGITS, Key, Manifest, package_path
from reports.blind.label_studio import label_studio
from reports.blind.page import page
from reports.blind.parcel import Parcel, parcels
from reports.blind.potato import potato
from reports.blind.reviewable import Reviewable, reviewable
from reports.blind.rows import rows
from reports.blind.sampling import Sampling, check_sampling, draw_pairs, strata_of
from reports.blind.sheets import spreadsheet, workbook

Files = dict[str, bytes]

FORMATS: dict[str, Callable[[Parcel], Files]] = {
    "html": lambda parcel: {"review.html": page(parcel).encode("utf-8", "replace")},
    "csv": lambda parcel: {"items.csv": spreadsheet(parcel).encode("utf-8", "replace")},
    "xlsx": lambda parcel: {"items.xlsx": workbook(parcel)},
    "label-studio": label_studio,
    "argilla": argilla,
    "potato": potato,
}
USUAL = ("html", "csv")
HANDING_OUT = ("label-studio", "argilla", "potato")
"""They show every row to everybody."""


class Plan(Record, frozen=True, kw_only=True):
    """What a review is to be. ``checks``: how many attention checks to plant, of the authored ones or those of ``check_file``;
    ``duplicates``: how many items to show twice (of items picked by hand, no more than there are). ``metric``: of the suite's,
    above 0 where an item is disputed. ``leaks``: of answers that may name an arm (flagged in the key): show them, mask the names,
    or leave the items out. ``formats``: of ``FORMATS``."""

    seed: int = 0
    sampling: Sampling = Sampling()
    metric: str | None = None
    leaks: Leaks = "show"
    checks: int = 0
    check_file: Path | None = None
    duplicates: int = 0
    panel: Panel = Panel()
    form: Form = Form()
    formats: tuple[str, ...] = USUAL


def export(baseline: Measured, candidate: Measured, *, folder: Path, plan: Plan | None = None) -> Path:
    """Write the packages of a review into ``folder`` and return the path of their key, which names them (``package_paths``).

    Where a suite drew several answers per item, the first is shown. Equal answers are left out and counted in the key, so
    ``human/win`` speaks of the items on which the sides differ. The same runs and plan give the same package. Raises UsageError
    where nothing can be reviewed or the plan has no sense, ComparabilityError where the two sides were not asked the same.
    """
    plan = plan or Plan()
    _check_plan(plan)
    if baseline.run.suite != candidate.run.suite:
        raise UsageError(f"a review compares answers to one suite, not {baseline.run.suite!r} with {candidate.run.suite!r}")
    found = reviewable(baseline, candidate, metric=plan.metric, on_leaks=plan.leaks, picked=frozenset(plan.sampling.picked))
    _require_any(found, baseline, candidate)
    draw = random.Random(int(digest([plan.seed, baseline.run.graded, candidate.run.graded]), 16))
    drawn, strata = draw_pairs(found.pairs, plan.sampling, draw)
    duplicates = min(plan.duplicates, len(drawn)) if plan.sampling.picked else plan.duplicates
    entries = rows(drawn, _chosen_checks(plan, draw), duplicates, draw)
    key = Key(
        suite=baseline.run.suite,
        seed=plan.seed,
        baseline=msgspec.structs.replace(baseline.run, frames=()),
        candidate=msgspec.structs.replace(candidate.run, frames=()),
        form=plan.form,
        entries=tuple(assigned(entries, plan.panel, draw)),
        strata=strata,
        frame={name: tuple(pair.item for pair in members) for name, members in strata_of(found.pairs, plan.sampling).items()},
        raters=tuple(name.strip() for name in plan.panel.raters),
        separate=plan.panel.separate,
        identical=found.identical,
        unanswered=found.unanswered,
        leaking=found.leaking,
    )
    key = msgspec.structs.replace(key, package=key.commitment[:NAME_DIGITS])
    return _write(key, folder, plan.formats)


def _check_plan(plan: Plan) -> None:
    check_sampling(plan.sampling)
    check_panel(plan.panel)
    check_form(plan.form)
    for name in plan.formats:
        if name not in FORMATS:
            raise UsageError(f"there is no format {name!r} for a review. {did_you_mean(name, sorted(FORMATS))}")
        if name in HANDING_OUT and plan.panel.raters and not plan.panel.separate:
            raise UsageError(f"{name} shows every row to everybody: where raters see different rows, export separate packages")
    if not plan.formats:
        raise UsageError(f"name at least one format: {', '.join(sorted(FORMATS))}")
    if plan.checks < 0:
        raise UsageError(f"0 attention checks or more can be planted, found {plan.checks}")
    if plan.check_file is not None and not plan.checks:
        raise UsageError(f"{plan.check_file}: say how many of these attention checks to plant")
    if plan.sampling.disputed == 1 and plan.metric is not None:
        raise UsageError(
            f"items that {plan.metric!r} disputes are drawn as often as others: say how many times as often they should be"
        )


def _require_any(found: Reviewable, baseline: Measured, candidate: Measured) -> None:
    if found.pairs:
        return
    leaking = f", and {found.leaking} were left out because they may name a model" if found.leaking else ""
    raise UsageError(
        f"nothing to review in suite {baseline.run.suite!r}: of {found.identical + found.unanswered + found.leaking} items, "
        f"{found.identical} were answered in the same words by {baseline.run.candidate.name!r} and "
        f"{candidate.run.candidate.name!r}, and {found.unanswered} have no answer on one side{leaking}"
    )


def _chosen_checks(plan: Plan, draw: random.Random) -> Sequence[Check]:
    if not plan.checks:
        return ()
    path = plan.check_file or AUTHORED
    known = read_checks(path, language=plan.form.language)
    if len(known) < plan.checks:
        raise UsageError(
            f"{plan.checks} attention checks are wanted, and {path} has {len(known)} for raters who read {plan.form.language!r}"
        )
    return draw.sample(known, plan.checks)


def _write(key: Key, folder: Path, formats: Sequence[str]) -> Path:
    key_file = folder / f"key-{key.package}.json"
    made = [(parcel, _files(parcel, formats)) for parcel in parcels(key, formats)]
    for number, (parcel, files) in enumerate(made, start=1):
        package = package_path(key_file, key.package, number if key.separate else 0)
        manifest = Manifest(
            package=key.package,
            items=len(parcel.rows),
            commitment=key.commitment,
            choices=key.form.choices,
            rater=parcel.rater,
            files={name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        )
        for name, content in files.items():
            atomic_write(package / name, content)
        atomic_write(package / "manifest.json", msgspec.json.format(msgspec.json.encode(manifest), indent=1))
    atomic_write(key_file, msgspec.json.format(msgspec.json.encode(key), indent=1))
    return key_file


def _files(parcel: Parcel, formats: Sequence[str]) -> Files:
    files = {"INSTRUCTIONS.md": instructions(parcel).encode("utf-8", "replace")}
    for name in formats:
        files |= FORMATS[name](parcel)
    return files
