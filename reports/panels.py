"""The evidence below the answer: comparability, latency, provenance."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.records import Conclusion, Measured, Parity, Record, Run
from reports.figures import Figure, Span, count_figure, gain_figure, pointer, score_figure, span
from reports.standing import FLAGS, TIMED, metric_of
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
