"""What is wrong in a config that no key shows by itself: names that nobody has, bands that are none, plans that cannot be."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import pairwise

from harness.baselines import PROMOTED, means_pin
from harness.checkpoints import answering
from harness.config.declared import Config
from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import IMPORTED

Fault = tuple[str, str]
"""Where in the file, and the sentence."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_LONGEST = 200


def check(config: Config, file: str) -> None:
    """ConfigError for the first thing that is wrong."""
    for look in (_names, _limits, _contamination, _suites, _sequential, _stages, _review, _candidates, _bands, _rules, _quarantine):
        for where, message in look(config):
            raise ConfigError(message, where=where, file=file)


def is_name(text: str) -> bool:
    """Whether a candidate or a suite can be called so; also as a folder, of which most disks take 255 bytes."""
    return len(text) <= _LONGEST and _NAME.fullmatch(text) is not None


def _names(config: Config) -> Iterator[Fault]:
    for what, names in (("candidate", [c.name for c in config.candidates]), ("suite", [s.name for s in config.suites])):
        where = f"{what}s"
        if not names:
            yield where, f"no {what} is declared. Expected at least one."
        for index, name in enumerate(names):
            if not is_name(name):
                yield (
                    f"{where}[{index}].name",
                    f"{name!r} cannot be a name. Use letters, digits, '.', '_' and '-', at most {_LONGEST}.",
                )
            if name in names[:index]:
                yield where, f"two {what}s are named {name!r} (entries {names.index(name)} and {index}). Names must differ."
    if any(suite.name == "human" for suite in config.suites):
        yield "suites", "'human' is the suite of people's votes. Give this one another name."
    names = [candidate.name for candidate in config.candidates]
    if PROMOTED in names:
        yield "candidates", f"{PROMOTED!r} is what the promoted baseline is called. Give this candidate another name."
    if config.baseline not in names and not means_pin(config.baseline):
        yield "baseline", f"the baseline {config.baseline!r} is not a candidate. {did_you_mean(config.baseline, names)}"
    for name in config.engines:
        if name in names:
            yield f"engines.{name}", f"{name!r} is the name of a candidate too. Give the engine another name."


def _limits(config: Config) -> Iterator[Fault]:
    for name in ("max_errors", "max_contaminated"):
        share = getattr(config.limits, name)
        if share is not None and not 0 <= share < 1:
            yield f"limits.{name}", f"expected a share between 0 and 1, found {share!r}"


def _suites(config: Config) -> Iterator[Fault]:
    for index, suite in enumerate(config.suites):
        if suite.spending and suite.use == IMPORTED:
            yield f"suites[{index}].spending", "imported scores cost nothing that is known here; leave it out"
    edges = config.prompt_lengths
    if any(edge < 1 for edge in edges) or any(one >= other for one, other in pairwise(edges)):
        said = f"expected numbers of characters from 1, each greater than the one before it, found {list(edges)}"
        yield "prompt_lengths", said


def _review(config: Config) -> Iterator[Fault]:
    names = [suite.name for suite in config.suites]
    if config.review.suite is not None and config.review.suite not in names:
        yield "review.suite", f"no suite is named {config.review.suite!r}. {did_you_mean(config.review.suite, names)}"
    for key, least in {"items": 1, "each": 1, "shared": 0, "checks": 0, "duplicates": 0}.items():
        if (found := getattr(config.review, key)) < least:
            yield f"review.{key}", f"expected {least} or more, found {found}"


def _candidates(config: Config) -> Iterator[Fault]:
    names = [candidate.name for candidate in config.candidates]
    for index, candidate in enumerate(config.candidates):
        if candidate.reference is not None and candidate.reference not in names:
            said = f"the reference {candidate.reference!r} is not a candidate. {did_you_mean(candidate.reference, names)}"
            yield f"candidates[{index}].reference", said
        if not candidate.model and answering(candidate).engine not in {"fake", "none"}:
            yield f"candidates[{index}]", "the key 'model' is missing"


def _bands(config: Config) -> Iterator[Fault]:
    for index, suite in enumerate(config.suites):
        for key, given in (("expect", suite.expect), ("range", suite.range)):
            for low, high in () if given is None else given.values() if isinstance(given, dict) else (given,):
                if not -math.inf < low < high < math.inf:
                    said = f"expected a band [low, high] with low < high, both finite, found [{low}, {high}]"
                    yield f"suites[{index}].{key}", said


def _rules(config: Config) -> Iterator[Fault]:
    for index, rule in enumerate(config.rules):
        if rule.about == "recipe" and not any(candidate.recipe for candidate in config.candidates):
            said = (
                'the rule is about a recipe, and no candidate is a replicate of one. Set recipe = "NAME" on the candidates that '
                "differ by their training seed only."
            )
            yield f"rules[{index}].about", said


def _quarantine(config: Config) -> Iterator[Fault]:
    """Every entry has a suite, a reason and a date to come. Whether the suite has the item is checked when its items are known."""
    suites, today = [suite.name for suite in config.suites], datetime.now(UTC).date()
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(config.quarantine):
        where = f"quarantine[{index}]"
        if entry.suite not in suites:
            yield f"{where}.suite", f"no suite is named {entry.suite!r}. {did_you_mean(entry.suite, suites)}"
        elif not entry.reason.strip():
            said = f"it is not said why item {entry.key!r} is in quarantine. Expected a reason that others can check."
            yield f"{where}.reason", said
        elif entry.until < today:
            days = (today - entry.until).days
            said = (
                f"the quarantine of item {entry.key!r} of {entry.suite} ended on {entry.until.isoformat()}, "
                f"{days} day{'' if days == 1 else 's'} ago ({entry.reason.strip()}). Fix the item and delete the entry, or set a "
                "new date."
            )
            yield f"{where}.until", said
        elif (entry.suite, entry.key) in seen:
            yield f"{where}.key", f"item {entry.key!r} of {entry.suite} is in quarantine twice. Keep one entry."
        seen.add((entry.suite, entry.key))


def _contamination(config: Config) -> Iterator[Fault]:
    limit = config.limits.max_contaminated
    unknown = (
        "and nothing says which they are. Set contaminated to the file that names them "
        '(one {"suite": …, "key": …, "overlap": …} per line).'
    )
    if config.contaminated is None and limit is not None:
        yield "limits.max_contaminated", f"there is a limit on contaminated items, {unknown}"
    for index, rule in enumerate(config.rules):
        own = limit if rule.max_contaminated is None else rule.max_contaminated
        if config.contaminated is None:
            if rule.exclude is not None:
                yield f"rules[{index}].exclude", f"the rule leaves contaminated items out, {unknown}"
            if rule.max_contaminated is not None:
                yield f"rules[{index}].max_contaminated", f"the rule has a limit on contaminated items, {unknown}"
        elif rule.slice in ("contaminated=yes", "contaminated=*") and own is not None and own < 1:
            yield (
                f"rules[{index}].slice",
                f"the rule looks at contaminated items alone, of which it may have {100 * own:g} %: it could decide nothing. Set "
                "max_contaminated = 1 in this rule.",
            )


def _stages(config: Config) -> Iterator[Fault]:
    if len(config.stages) == 1:
        yield "stages", "there is one stage, after which nothing could be lost. Expected two or more, in the order of training."
    for field, known in (
        ("candidate", [each.name for each in config.candidates]),
        ("suite", [each.name for each in config.suites]),
    ):
        named = [getattr(stage, field) for stage in config.stages]
        for index, name in enumerate(named):
            if name not in known:
                yield f"stages[{index}].{field}", f"no {field} is named {name!r}. {did_you_mean(name, known)}"
            if name in named[:index]:
                said = f"{name!r} is the {field} of stage {named.index(name)} already. Every stage has one of its own."
                yield f"stages[{index}].{field}", said


def _sequential(config: Config) -> Iterator[Fault]:
    settings, names = config.sequential, [suite.name for suite in config.suites]
    if settings is None:
        return
    if not 2 <= settings.looks <= 10:
        yield "sequential.looks", f"expected 2 to 10 looks at the data, the last one included, found {settings.looks}"
    if not 0 <= settings.futility < 1:
        said = f"expected a chance from 0 (never give a suite up) to below 1, such as 0.1, found {settings.futility}"
        yield "sequential.futility", said
    if settings.min_items < 1:
        yield "sequential.min_items", f"expected 1 item or more before the first look, such as 50, found {settings.min_items}"
    for index, name in enumerate(settings.suites):
        if name not in names:
            yield f"sequential.suites[{index}]", f"no suite is named {name!r}. {did_you_mean(name, names)}"
