"""The evidence below the answer: comparability, flips, forgetting, judges, latency, provenance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from harness.records import Admission, Comparison, Conclusion, Measured, Parity, Record, Run
from reports.explorer import GAINED, HALF, LOST, ROUNDING, Pairing, oriented
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, score_figure, span
from reports.standing import FLAGS, KEPT_COUNTS, TIMED, Roles, metric_of
from reports.wording import fixed, metric_parts


class ParityLine(Record, frozen=True, kw_only=True):
    """One thing that was not equal, for some candidates. ``consequence`` says what the policy makes of it."""

    suites: tuple[str, ...]
    what: str
    candidates: tuple[str, ...]
    baseline_value: str
    candidate_value: str
    tone: str
    consequence: str


class Comparability(Record, frozen=True, kw_only=True):
    equal: tuple[str, ...]
    unequal: tuple[ParityLine, ...]
    checked: int


class Flip(Record, frozen=True, kw_only=True):
    """How one candidate's items in one suite fell out against the baseline. For binary metrics ``both`` and ``neither`` split what
    stayed the same into right and wrong; otherwise ``both`` counts all that stayed."""

    suite: str
    candidate: str
    metric: str
    binary: bool
    both: int = 0
    lost: int = 0
    gained: int = 0
    neither: int = 0


class FlipTile(Record, frozen=True, kw_only=True):
    flip: Flip
    both: Figure
    lost: Figure
    gained: Figure
    neither: Figure


class KeptCell(Record, frozen=True, kw_only=True):
    """One gain of the forgetting table; ``sure`` when its interval leaves out zero. ``items``: over how many, where fewer than the
    row says."""

    gain: Figure | None = None
    span: Span | None = None
    items: Figure | None = None
    sure: bool = False
    worse: bool = False


class KeptLine(Record, frozen=True, kw_only=True):
    metric: str
    against: str
    baseline: Figure
    items: Figure
    cells: tuple[KeptCell, ...]
    unit: str = ""


class Wins(Record, frozen=True, kw_only=True):
    """How often a judge preferred the candidate's answer to the baseline's."""

    suite: str
    candidate: str
    win: int = 0
    tie: int = 0
    loss: int = 0
    unparsable: int = 0
    conflict: int = 0


class AdmissionCard(Record, frozen=True, kw_only=True):
    key: str
    admission: Admission
    figures: tuple[tuple[str, Figure], ...]


class LatencyLine(Record, frozen=True, kw_only=True):
    metric: str
    candidate: str
    baseline: Figure
    value: Figure
    gain: Figure
    span: Span | None
    direction: str
    items: Figure
    unit: str = ""


class RunLine(Record, frozen=True, kw_only=True):
    suite: str
    candidate: str
    engine: str
    asked: str
    graded: str
    items_hash: str
    folder: str
    sent: Figure
    reused: Figure
    seconds: Figure
    seed: int
    limit: int | None
    created: str


_WORDS = {"suite": "suite version"}


def comparability(parity: Sequence[Parity]) -> Comparability:
    """What was equal on both sides everywhere, and what was not, with the candidates it concerns."""
    groups: dict[tuple[str, str, str], list[Parity]] = {}
    for each in parity:
        if not each.equal:
            meant = each.candidate_value if each.required else ""
            groups.setdefault((each.what, each.baseline_value, meant), []).append(each)
    broken = {each.what for each in parity if not each.equal}
    equal = tuple(dict.fromkeys(_WORDS.get(each.what, each.what) for each in parity if each.what not in broken))
    everywhere = tuple(dict.fromkeys(each.suite for each in parity))
    lines = [_parity_line(members, everywhere) for members in groups.values()]
    lines.sort(key=lambda line: ("bad", "unsure", "mute").index(line.tone))
    return Comparability(equal=equal, unequal=tuple(lines), checked=len(parity))


def _parity_line(members: Sequence[Parity], everywhere: tuple[str, ...]) -> ParityLine:
    if members[0].required and not members[0].allowed:
        tone, consequence = "bad", "must be equal: not comparable"
    elif members[0].allowed:
        tone, consequence = "unsure", "differs, allowed by the policy"
    else:
        tone, consequence = "mute", "may differ"
    suites = tuple(dict.fromkeys(each.suite for each in members))
    return ParityLine(
        suites=("all",) if len(suites) == len(everywhere) > 1 else suites,
        what=_WORDS.get(members[0].what, members[0].what),
        candidates=tuple(dict.fromkeys(each.candidate for each in members)),
        baseline_value=members[0].baseline_value,
        candidate_value=", ".join(dict.fromkeys(each.candidate_value for each in members)),
        tone=tone,
        consequence=consequence,
    )


def flips(
    pairings: Iterable[Pairing], measured: Mapping[tuple[str, str], Measured], baseline: str, candidates: Sequence[str]
) -> tuple[Flip, ...]:
    """Counts of lost, gained, kept and never-right items, per suite and candidate, in the order of ``candidates``."""
    counts: dict[tuple[str, str], dict[str, Any]] = {}
    for each in pairings:
        base = (each.samples[baseline].scores or {}).get(each.metric) if baseline in each.samples else None
        for name in candidates:
            if base is None or name not in each.gains:
                continue
            metric = oriented(measured[each.suite, name].run, each.task, each.metric)
            entry = counts.setdefault(
                (each.suite, name), {"metric": each.metric, "binary": True, "both": 0, "lost": 0, "gained": 0, "neither": 0}
            )
            entry["binary"] = entry["binary"] and metric.kind == "binary"
            right = base >= 0.5 if metric.direction == "higher" else base < 0.5
            status = each.statuses[name]
            entry["lost" if status == LOST else "gained" if status == GAINED else "both" if right else "neither"] += 1
    made = []
    for suite in dict.fromkeys(suite for suite, _ in measured):
        for name in candidates:
            if (suite, name) in counts:
                entry = counts[suite, name]
                if not entry["binary"]:
                    entry["both"], entry["neither"] = entry["both"] + entry["neither"], 0
                made.append(Flip(suite=suite, candidate=name, **entry))
    return tuple(made)


def flip_tiles(found: Sequence[Flip]) -> dict[str, tuple[FlipTile, ...]]:
    """Suite -> its tiles, each number with its pointer."""
    tiles: dict[str, list[FlipTile]] = {}
    for index, each in enumerate(found):
        numbers = {
            name: count_figure(getattr(each, name), pointer("flips", index, name)) for name in ("both", "lost", "gained", "neither")
        }
        tiles.setdefault(each.suite, []).append(FlipTile(flip=each, **numbers))
    return {suite: tuple(members) for suite, members in tiles.items()}


def kept_lines(
    conclusion: Conclusion, role: Roles, measured: Mapping[tuple[str, str], Measured], candidates: Sequence[str]
) -> tuple[KeptLine, ...]:
    """The forgetting table: every metric of the retained suites, one column per candidate. What was lost and gained against a
    reference has rows of its own where that is not the baseline, whose matrices say it already."""
    rows: dict[tuple[str, str], dict[str, tuple[int, Comparison]]] = {}
    plain = set(conclusion.reference.values()) <= {conclusion.baseline}
    hidden = (*FLAGS, *KEPT_COUNTS) if plain else FLAGS
    for index, each in enumerate(conclusion.comparisons):
        if role.of(each.metric) == "retained" and metric_parts(each.metric)[2] not in hidden:
            rows.setdefault((each.metric, each.baseline), {})[each.candidate] = (index, each)
    return tuple(_kept_line(metric, against, row, measured, candidates) for (metric, against), row in rows.items())


def _kept_line(
    metric: str,
    against: str,
    row: Mapping[str, tuple[int, Comparison]],
    measured: Mapping[tuple[str, str], Measured],
    candidates: Sequence[str],
) -> KeptLine:
    unit = metric_of(measured, metric).unit
    most_index, most = max(row.values(), key=lambda entry: entry[1].items)
    cells = []
    for name in candidates:
        if name not in row:
            cells.append(KeptCell())
            continue
        index, each = row[name]
        at = pointer("conclusion", "comparisons", index)
        sure = (each.low is not None and each.low > 0) or (each.high is not None and each.high < 0)
        cells.append(
            KeptCell(
                gain=gain_figure(each.gain, f"{at}/gain", each.kind, like=each.baseline_value),
                span=span(each, at),
                items=count_figure(each.items, f"{at}/items") if each.items < most.items else None,
                sure=sure,
                worse=each.gain < 0,
            )
        )
    at = pointer("conclusion", "comparisons", most_index)
    return KeptLine(
        metric=metric,
        against=against,
        baseline=score_figure(most.baseline_value, f"{at}/baseline_value", most.kind),
        unit=unit,
        items=count_figure(most.items, f"{at}/items"),
        cells=tuple(cells),
    )


def wins(measured: Mapping[tuple[str, str], Measured], baseline: str, candidates: Sequence[str]) -> tuple[Wins, ...]:
    """Win, tie and loss of every candidate in every suite that has a ``win`` metric."""
    made = []
    for suite in dict.fromkeys(suite for suite, _ in measured):
        for name in candidates:
            side = measured.get((suite, name))
            if side is None or name == baseline or not any(key.rpartition("/")[2] == "win" for key in side.run.metrics):
                continue
            values = [sample.scores["win"] for sample in side.samples if sample.scores and "win" in sample.scores]
            made.append(
                Wins(
                    suite=suite,
                    candidate=name,
                    win=sum(value > HALF + ROUNDING for value in values),
                    tie=sum(abs(value - HALF) <= ROUNDING for value in values),
                    loss=sum(value < HALF - ROUNDING for value in values),
                    unparsable=sum(
                        sample.scores is None or any(each.score is None for each in sample.judgments) for sample in side.samples
                    ),
                    conflict=sum("conflict" in sample.flags for sample in side.samples),
                )
            )
    return tuple(made)


def admission_cards(admissions: Mapping[str, Admission]) -> tuple[AdmissionCard, ...]:
    cards = []
    for key, each in admissions.items():
        at = pointer("conclusion", "admissions", key)
        figures = [
            ("labelled answers" if each.alone else "labelled pairs", count_figure(each.pairs, f"{at}/pairs")),
            ("accuracy", score_figure(each.accuracy, f"{at}/accuracy", "bounded")),
            ("agreement κ", Figure(text=fixed(each.kappa, 2), value=each.kappa, at=f"{at}/kappa")),
            ("unparsable", score_figure(each.unparsable, f"{at}/unparsable", "bounded")),
        ]
        if not each.alone:
            figures.append(("same answer in both orders", score_figure(each.consistency, f"{at}/consistency", "bounded")))
        if each.first_slot is not None:
            figures.append(("prefers the first slot", score_figure(each.first_slot, f"{at}/first_slot", "bounded")))
        for language, part in each.languages.items():
            place = pointer("conclusion", "admissions", key, "languages", language, "kappa")
            figures.append((f"κ in {language}", Figure(text=fixed(part.kappa, 2), value=part.kappa, at=place)))
        for trap, part in each.traps.items():
            place = pointer("conclusion", "admissions", key, "traps", trap, "accuracy")
            figures.append((f"accuracy, {trap}", score_figure(part.accuracy, place, "bounded")))
        if each.canaries:
            shown, lost = ("orders in answers", "orders withstood") if each.alone else ("canaries shown", "canaries that lost")
            figures.append((shown, count_figure(each.canaries, f"{at}/canaries")))
            figures.append((lost, count_figure(each.canaries_beaten, f"{at}/canaries_beaten")))
        if each.length_slope is not None:
            slope = Figure(text=fixed(each.length_slope, 2), value=each.length_slope, at=f"{at}/length_slope")
            figures.append(("log-odds per sd of extra length", slope))
        if each.own_excess is not None:
            own = Figure(text=fixed(each.own_excess, 2), value=each.own_excess, at=f"{at}/own_excess")
            figures.append(("prefers its own answers by", own))
        if each.jury_accuracy is not None and each.majority_accuracy is not None:
            figures.append(("accuracy of the jury, by weight", score_figure(each.jury_accuracy, f"{at}/jury_accuracy", "bounded")))
            equal = score_figure(each.majority_accuracy, f"{at}/majority_accuracy", "bounded")
            figures.append(("accuracy of the jury, all alike", equal))
        if each.effective_jurors is not None:
            effective = Figure(text=fixed(each.effective_jurors, 1), value=each.effective_jurors, at=f"{at}/effective_jurors")
            figures.append((f"independent jurors, of {len(each.jurors)}", effective))
        for index, juror in enumerate(each.jurors):
            spot = pointer("conclusion", "admissions", key, "jurors", index)
            figures.append(
                (f"weight of {juror.judge}", Figure(text=fixed(juror.weight, 2), value=juror.weight, at=f"{spot}/weight"))
            )
            if juror.accuracy is not None:
                figures.append((f"accuracy of {juror.judge}", score_figure(juror.accuracy, f"{spot}/accuracy", "bounded")))
            without = score_figure(juror.jury_without, f"{spot}/jury_without", "bounded")
            figures.append((f"accuracy of the jury without {juror.judge}", without))
        if each.drift is not None:
            figures.append(("anchor verdicts that changed", score_figure(each.drift, f"{at}/drift", "bounded")))
        cards.append(AdmissionCard(key=key, admission=each, figures=tuple(figures)))
    return tuple(cards)


def latency_lines(conclusion: Conclusion, measured: Mapping[tuple[str, str], Measured]) -> tuple[LatencyLine, ...]:
    """The comparisons of suites that measure speed (``use`` names latency)."""
    timed = {suite for (suite, _), each in measured.items() if TIMED in each.run.use}
    made = []
    for index, each in enumerate(conclusion.comparisons):
        suite, _, name = metric_parts(each.metric)
        if suite not in timed or name in FLAGS:
            continue
        metric = metric_of(measured, each.metric)
        at = pointer("conclusion", "comparisons", index)
        made.append(
            LatencyLine(
                metric=each.metric,
                candidate=each.candidate,
                baseline=score_figure(each.baseline_value, f"{at}/baseline_value", each.kind),
                unit=metric.unit,
                value=score_figure(each.candidate_value, f"{at}/candidate_value", each.kind),
                gain=gain_figure(each.gain, f"{at}/gain", each.kind, like=each.baseline_value),
                span=span(each, at),
                direction=each.direction,
                items=count_figure(each.items, f"{at}/items"),
            )
        )
    made.sort(key=lambda line: line.metric)
    return tuple(made)


def _served_by(run: Run) -> str:
    """The engine by name; of a fleet also what its actors held, whose version stands beside it."""
    name = run.candidate.engine
    return f"{name} of {run.candidate.options.get('engine')}" if name == "ray" else name


def run_lines(measured: Mapping[tuple[str, str], Measured], conclusion: Conclusion) -> tuple[RunLine, ...]:
    """Provenance, one line per run. Numbers point into the embedded ``runs`` list, which is in this same order."""
    lines = []
    for index, ((suite, candidate), each) in enumerate(measured.items()):
        run = each.run
        at = pointer("runs", index)
        selected = conclusion.runs.get(suite, {}).get(candidate, run.graded)
        lines.append(
            RunLine(
                suite=suite,
                candidate=candidate,
                engine=" ".join(part for part in (_served_by(run), str(run.engine.get("version", ""))) if part),
                asked=run.fingerprints.asked[:12],
                graded=run.graded[:12],
                items_hash=run.items_hash[:12],
                folder=selected if "/" in selected else f"{suite}/{run.candidate.name}@{selected[:12]}",
                sent=count_figure(run.sent_requests, f"{at}/sent_requests"),
                reused=count_figure(run.reused_requests, f"{at}/reused_requests"),
                seconds=Figure(text=f"{fixed(run.seconds, 1)} s", value=run.seconds, at=f"{at}/seconds"),
                seed=run.seed,
                limit=run.limit,
                created=run.created,
            )
        )
    return tuple(lines)
