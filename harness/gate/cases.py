"""A job brought to the point where only numbers decide: the pair is found, checked and tested, or it is said why it cannot be.

Nothing here looks at other jobs; the correction for many tests comes afterwards (``harness.gate.findings``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from functools import cached_property

from msgspec import structs

from harness import stats
from harness.compare import LEVEL, Column, Level, Pair, broken, compare, level_of
from harness.gate import sentences as words
from harness.gate.blindness import REEXAMINE, Blind, blindness, broken_examination
from harness.gate.contamination import CLEAN, CONTAMINATED, REMEDY, refusal
from harness.gate.guesses import Guessed, explained, guessed
from harness.gate.looked import Looked, looked
from harness.gate.measurements import Measurements
from harness.gate.noise import again, beside, excess, no_second_run
from harness.gate.policy import (
    HUMAN_WIN,
    TRANSITIONS,
    VALUE_RULES,
    Job,
    absolute_margin,
    certain_share,
    matches,
    of_people,
    only_compared,
    suites_of,
)
from harness.gate.selection import EVERYTHING, selection_of
from harness.gate.sentences import joined
from harness.gate.worst import at_worst
from harness.records import Comparison, Outcome, Rule


@dataclass(frozen=True)
class Case:
    """``stopped`` and ``why``: an outcome that no number can change; ``remedy``: what could, where asking again could not.
    ``short``: too few items, too many absent ones, or a smoke run: why, and the remedy where it is not just more items.
    ``excluded``: how many items the rule leaves out because training data contain them; None where it leaves none out.
    ``contaminated``: how many that it looks at they contain, of how many, unless its slice says so. ``noise``: the noise floor in
    words, where one is known. ``looked``: the looks at a run that was asked in part, over which every test holds; ``pair`` is then
    what the last one saw. ``worst``: the level with the ``missing`` items at their worst. ``reference``: whom that is against which
    is lost or gained."""

    job: Job
    candidate: str
    other: str
    stopped: Outcome | None = None
    why: str = ""
    remedy: str = ""
    pair: Pair | None = None
    level: Level | None = None
    blind: Blind | None = None
    short: tuple[str, str | None] | None = None
    excluded: int | None = None
    contaminated: tuple[int, int] = (0, 0)
    noise: str = ""
    looked: Looked | None = None
    worst: Level | None = None
    missing: int = 0
    reference: str = ""

    @property
    def itself(self) -> bool:
        """Whether the rule compares the candidate with itself. Rules about its own score compare it with nobody."""
        return self.other == self.candidate and self.rule.require not in VALUE_RULES

    @property
    def rule(self) -> Rule:
        return self.job.rule

    @cached_property
    def margin(self) -> float:
        """On the metric's own scale."""
        return absolute_margin(self.rule, self._score)

    @property
    def _score(self) -> float:
        """The other side's own; of all of its items, where the candidate was asked in part."""
        if self.pair is None:
            return 0.0
        return self.pair.values[0] if self.looked is None else self.looked.whole.value or 0.0

    @property
    def border(self) -> float:
        """The gain that the rule's hypotheses part at."""
        return self.margin if self.rule.require == "superior" else -self.margin

    @cached_property
    def claim(self) -> stats.PValue:
        """The test of what the rule is about: the claim to be proven, or for ``not_regressed`` the loss that must not be."""
        return self._test("greater" if self.rule.require in ("superior", "non_inferior") else "less")

    @cached_property
    def contrary(self) -> stats.PValue:
        """The test of the opposite, which proves a failure."""
        return self._test("less")

    def _test(self, side: stats.Side) -> stats.PValue:
        if self.looked is not None:
            return self.looked.test(self.border, side, self.factor)
        if self.pair is None or self.pair.evidence is None:
            raise ValueError("a stopped case has no evidence")
        share = None if self.factor is None else self.pair.share_test(self.factor, side)
        return self.pair.evidence.test(self.border, side) if share is None else share

    @property
    def factor(self) -> float | None:
        """What the rule's hypotheses part at as a multiple of the other side's score; None where the margin is a number, or
        guarded."""
        rule, pair = self.rule, self.pair
        if pair is None or not rule.relative or not rule.margin or self._score <= (rule.guard_below or 0.0):
            return None
        return 1 + pair.sign * self.border / self._score

    @property
    def nominal(self) -> float:
        """The ordinary p that proves something now: alpha, unless there were looks."""
        return self.rule.alpha if self.looked is None else self.looked.nominal(self.rule.alpha)

    @property
    def final(self) -> float:
        """The ordinary p that proves something once everything is asked."""
        return self.rule.alpha if self.looked is None else self.looked.final(self.rule.alpha)

    def comparison(self, p: stats.PValue) -> Comparison | None:
        """What a person reads, with this p; None without shared items."""
        if self.looked is not None:
            return self.looked.comparison(self.other, self.candidate, p)
        return None if self.pair is None else compare(self.pair, self.other, self.candidate, level=1 - 2 * self.rule.alpha, p=p)


def case_of(job: Job, candidate: str, measurements: Measurements) -> Case:
    """Look a job up for one candidate."""
    policy = measurements.policy
    reference = policy.references.get(candidate)
    needs_reference = any(metric.rsplit("/", 1)[-1] in TRANSITIONS for metric in job.metrics)
    named = {"baseline": policy.baseline, "reference": reference}
    other = named.get(job.rule.against, job.rule.against) or ""
    if not other or (needs_reference and reference is None):
        return Case(job, candidate, other, "no_baseline", f"no reference of {candidate} was measured")
    if job.rule.above_noise and reference is not None:
        other = again(reference)
        unknown = [suite for suite in suites_of(job.metrics) if measurements.run(suite, other) is None]
        if unknown:
            return Case(job, candidate, other, "no_baseline", no_second_run(reference, unknown))
    if other not in measurements.candidates:
        return Case(job, candidate, other, "no_baseline", f"{other} was not measured")
    if other == candidate and job.rule.require not in VALUE_RULES:
        return Case(job, candidate, other, "no_baseline", f"{candidate} would be compared with itself")
    sides = list(dict.fromkeys([candidate, other, *([reference] if needs_reference and reference else [])]))
    stopped = stopped_by(job, sides, measurements)
    if stopped is not None:
        return Case(job, candidate, other, *stopped)
    if refused := too_contaminated(job, sides, measurements):
        return Case(job, candidate, other, "invalid", refused, REMEDY)
    if broken_off := broken_examination(job, measurements):
        return Case(job, candidate, other, "invalid", broken_off, REEXAMINE)
    case = _tested(job, candidate, other, measurements)
    return replace(case, contaminated=contaminated(job, sides, measurements))


def stopped_by(job: Job, sides: list[str], measurements: Measurements) -> tuple[Outcome, str] | None:
    """Reasons for not looking at numbers: nothing measured, too many failures, or sides that were not asked alike."""
    suites = suites_of(job.metrics)
    if not suites and (matches(job.rule.metric, HUMAN_WIN) or of_people(job.rule.metric)):
        return "inconclusive", _without_votes(job, sides, measurements)
    if not suites:
        return _without_values(job, measurements)
    limit = measurements.policy.max_errors if job.rule.max_errors is None else job.rule.max_errors
    for suite in suites:
        for side in sides:
            if measurements.run(suite, side) is None and suite == HUMAN_WIN.split("/")[0]:
                return "inconclusive", f"nobody has voted on {side} yet: export a review, and import its votes"
            if measurements.run(suite, side) is None:
                return "no_baseline" if only_compared(side) else "invalid", f"{side} was not put through {suite}"
            failed, planned = measurements.failed(suite, side)
            if planned == 0:
                return "invalid", f"{side} was asked nothing in {suite}"
            if failed > limit * planned:
                share = f"{failed:,} of {planned:,} items ({words.share(failed / planned, 'binary', bounds=(limit,))})"
                first = _first_error(measurements, suite, side)
                return (
                    "invalid",
                    f"{share} of {suite} failed for {side}, more than the {words.asked(limit, 'binary')} allowed{first}",
                )
        for side in sides[1:]:
            lines = [line for line in measurements.parity(suite, side, sides[0]) if broken(line)]
            if lines:
                parts = [f"{line.what} ({line.baseline_value} against {line.candidate_value})" for line in lines]
                return "not_comparable", f"{side} and {sides[0]} differ in {suite} by {joined(parts)}"
    return None


def _without_votes(job: Job, sides: list[str], measurements: Measurements) -> str:
    """What is missing for a rule about people: their votes, or the question that would have asked for this."""
    human = HUMAN_WIN.split("/", 1)[0]
    if all(measurements.run(human, side) is None for side in sides):
        return "nobody has voted yet: export a review, and import its votes"
    what = job.rule.metric.split("/", 1)[1]
    return f"people voted, but were not asked for {what}: export a review that asks (--strength, --criteria), and import its votes"


def too_contaminated(job: Job, sides: Sequence[str], measurements: Measurements) -> str:
    """Why training data contain too many of a rule's items to let it decide; empty where they do not."""
    counts = measurements.within(selection_of(job.rule)).contaminated(job.metrics, tuple(sides))
    return refusal(job.rule, measurements.policy, counts)


def contaminated(job: Job, sides: Sequence[str], measurements: Measurements) -> tuple[int, int]:
    """How many of a rule's items training data contain, of how many; none where its slice says that it looks at just these."""
    if (job.rule.slice or "").partition("=")[0] == CONTAMINATED:
        return 0, 0
    found = measurements.within(selection_of(job.rule)).contaminated(job.metrics, tuple(sides))
    return sum(bad for bad, _ in found.values()), sum(items for _, items in found.values())


def _without_values(job: Job, measurements: Measurements) -> tuple[Outcome, str]:
    """Why no run has a value. Of a few items of many, none may be of the sort that the metric is about."""
    named = [pair for pair in measurements.measured if fnmatchcase(pair[0], job.rule.metric.split("/", 1)[0])]
    error = next(filter(None, (_first_error(measurements, *pair) for pair in named)), "")
    if named and not error and all(measurements.measured[pair].run.limit is not None for pair in named):
        return "inconclusive", f"none of the few items that were asked (--smoke) has a score of {job.label}"
    return "invalid", f"no run has a value for {job.label}: all of its items failed, or its suite was not measured{error}"


def _first_error(measurements: Measurements, suite: str, side: str) -> str:
    """What happened to the first item that failed: what to do about it stands there, not in how many did."""
    for sample in measurements.measured[suite, side].samples:
        if sample.error is not None:
            said = " ".join(sample.error.split()).rstrip(".")
            return f"; the first, {sample.key!r}: {said if len(said) <= 300 else said[:300] + ' …'}"
    return ""


def _tested(job: Job, candidate: str, other: str, measurements: Measurements) -> Case:
    policy, rule = measurements.policy, job.rule
    selected = measurements.within(selection_of(rule))
    pair = selected.pair(job.metrics, job.label, candidate, other)
    if pair is None or pair.evidence is None:
        return Case(job, candidate, other, "invalid", nothing_shared(job, candidate, other, measurements))
    excluded = _excluded(job, candidate, other, pair, measurements)
    refused, looks = _looks(job, candidate, other, selected)
    if refused:
        return Case(job, candidate, other, "inconclusive", refused)
    reference = policy.references.get(candidate)
    beyond = guessed(job, candidate, selected) if rule.above_chance else None
    if isinstance(beyond, str):
        return Case(job, candidate, other, "invalid", beyond)
    mine, theirs = (selected.column_of(side, job.metrics, job.label, reference) for side in (candidate, other))
    if looks is not None:
        pair, mine, theirs = looks.last, looks.own[-1], looks.last.baseline
        level = None if rule.value is None else looks.level(rule.value, policy.seed)
    else:
        level = None if mine is None else _level(rule, pair, mine, beyond, policy.seed)
    worst, missing = _worst(rule, pair, mine, theirs, beyond, policy.seed) if level is not None else (None, 0)
    transition = job.metrics[0].rsplit("/", 1)[-1] in TRANSITIONS
    blind = blindness(job, pair, measurements, candidate, other)
    short = smoke(job, candidate, measurements) or too_few(rule, pair)
    noise = beside(job, candidate, selected) if beyond is None else explained(beyond)
    return Case(
        job, candidate, other, pair=pair, level=level, blind=blind, short=short, excluded=excluded, noise=noise, looked=looks,
        worst=worst, missing=missing, reference=(reference or "") if transition else "",
    )  # fmt: skip


def _looks(job: Job, candidate: str, other: str, selected: Measurements) -> tuple[str, Looked | None]:
    """Why a job over runs that were asked in part cannot be decided, or the looks at one that can; neither, where all was asked."""
    suites, reference = suites_of(job.metrics), selected.policy.references.get(candidate)
    needed = (other, reference) if job.metrics[0].rsplit("/", 1)[-1] in TRANSITIONS else (other,)
    others = tuple(dict.fromkeys(side for side in needed if side is not None and side != candidate))
    partial = [(side, suite) for suite in suites for side in others if selected.in_part(suite, side)]
    partial += [(candidate, suite) for suite in suites if selected.looked(suite, candidate)]
    if not partial:
        return "", None
    side, suite = partial[0]
    run = selected.run(suite, candidate)
    if side != candidate or run is None or run.looks is None:
        return f"{side} was itself asked in part in {suite}: a candidate is compared only with runs that were asked in full", None
    if len(suites) > 1:
        return f"{candidate} was asked in part in {suite}, and a rule over several suites can only be decided in full", None
    if job.rule.above_noise:
        return f"{candidate} was asked in part in {suite}, and what is lost beyond noise can only be counted in full", None
    if job.rule.above_chance:
        return f"{candidate} was asked in part in {suite}, and what is lost beyond guessing can only be counted in full", None
    whole = selected.column_of(other, job.metrics, job.label, reference)
    if whole and job.rule.relative and not certain_share(job.rule, whole.metric, clustered=whole.clustered):
        return (
            f"{candidate} was asked in part in {suite}, and a margin that is a share of a score can only be decided in full",
            None,
        )

    def cut(items: int) -> tuple[Pair | None, Column | None]:
        prefix = selected.prefix(suite, candidate, others, items)
        own = prefix.column_of(candidate, job.metrics, job.label, reference)
        return prefix.pair(job.metrics, job.label, candidate, other), own

    looks, found = run.looks, None
    if whole is not None and looks.made:
        found = looked(cut, whole, looks.settings, made=looks.made, planned=looks.planned, alpha=job.rule.alpha)
    if found is None:
        return f"the looks at {suite} so far saw no item of some of the tasks in {job.label}", None
    return "", found


def compared(metric: str, candidate: str, other: str, measurements: Measurements) -> Comparison | None:
    """A metric as a person reads it where no rule is about it. No p for a run that was looked at while it was asked: the test
    of "no difference" takes the number of items for fixed. None where the sides share nothing that may be compared."""
    pair = measurements.pair((metric,), metric, candidate, other)
    if pair is None:
        return None
    job = Job(Rule(metric=metric, require="not_regressed", alpha=(1 - LEVEL) / 2), (metric,), metric)
    refused, looks = _looks(job, candidate, other, measurements)
    if looks is not None:
        return looks.comparison(other, candidate, None)
    found = compare(pair, other, candidate)
    if found is None or not refused:
        return found
    return structs.replace(found, p=None, low=None, high=None, mde=None, method="none", parameters={}, note=refused)


def nothing_shared(job: Job, candidate: str, other: str, measurements: Measurements) -> str:
    """Why no item that the rule is about has a value on both sides."""
    rule, selected = job.rule, measurements.within(selection_of(job.rule))
    reference = measurements.policy.references.get(candidate)
    columns = {side: selected.column_of(side, job.metrics, job.label, reference) for side in (candidate, other)}
    without = [side for side, column in columns.items() if column is None or not column.keys]
    if rule.slice is not None:
        field, _, value = rule.slice.partition("=")
        known = measurements.slice_values(job.metrics, field)
        if value not in known:
            return f"no item is in the slice {rule.slice}" + (
                f" (known: {joined(known, most=9)})" if known else f": no item has {field!r} among its slices"
            )
    if without:
        where = f" where {rule.slice}" if rule.slice else " that the rule is about" if selection_of(rule) != EVERYTHING else ""
        return f"no item{where} has a value of {job.label} for {joined(without)}"
    return f"no item has a value of {job.label} on both sides"


def _excluded(job: Job, candidate: str, other: str, pair: Pair, measurements: Measurements) -> int | None:
    """How many items a rule leaves out because they were found in training data."""
    selection = selection_of(job.rule)
    if CLEAN not in selection.parts:
        return None
    others = tuple(part for part in selection.parts if part != CLEAN)
    whole = measurements.within(replace(selection, parts=others)).pair(job.metrics, job.label, candidate, other)
    return 0 if whole is None else sum(w - p for w, p in zip(_counts(whole), _counts(pair), strict=True))


def _counts(pair: Pair) -> tuple[int, int, int]:
    return pair.items, pair.absent, pair.failed


def _level(rule: Rule, pair: Pair, column: Column, beyond: Guessed | None, seed: int) -> Level | None:
    if rule.require not in VALUE_RULES or rule.value is None:
        return None
    if beyond is not None:
        return beyond.level(rule, seed)
    if rule.above_noise:
        return excess(rule, pair)
    return level_of(column, rule.value, level=1 - 2 * rule.alpha, seed=seed)


def _worst(
    rule: Rule, pair: Pair, mine: Column | None, theirs: Column | None, beyond: Guessed | None, seed: int
) -> tuple[Level | None, int]:
    """The level with all that is missing at its worst, and how many items are."""
    if rule.above_noise:
        missing = pair.absent + pair.failed
        return excess(rule, pair, missing), missing
    if mine is None:
        return None, 0
    missing = len((mine.errors | set(() if theirs is None else theirs.keys)) - set(mine.keys))
    if beyond is not None:
        return beyond.level(rule, seed, missing) if missing else None, missing
    return at_worst(rule, mine, missing, level=1 - 2 * rule.alpha, seed=seed), missing


def smoke(job: Job, candidate: str, measurements: Measurements) -> tuple[str, str] | None:
    """A run that was cut to a few items shows that everything works, and decides nothing but what it proves to be broken."""
    for suite in suites_of(job.metrics):
        run = measurements.run(suite, candidate)
        if run is not None and run.limit is not None and run.limit <= run.planned:
            why = f"only {run.planned:,} items of {suite} were asked (--smoke), too few to let anything pass"
            return why, "must be measured in full, without --smoke"
    return None


def too_few(rule: Rule, pair: Pair) -> tuple[str, str | None] | None:
    if pair.items < rule.min_items:
        return f"{pair.items:,} shared items are fewer than the {rule.min_items:,} that the rule wants", None
    absent = pair.absent / (pair.items + pair.absent + pair.failed)
    if absent > rule.max_missing:
        share = f"{words.share(absent, 'binary', bounds=(rule.max_missing,))}, allowed {words.asked(rule.max_missing, 'binary')}"
        return f"{pair.absent:,} items are on one side only ({share})", "must be measured on the same items on both sides"
    return None
