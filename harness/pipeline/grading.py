"""From answers to samples: every item is graded, or carries the error that left it without a score."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec

from harness.pipeline.frames import Frames
from harness.pipeline.preparing import Pair, Prepared
from harness.protocols import Suite, hinging_of, metrics_by_item
from harness.records import Answer, Completion, Flag, Frame, Item, Judgment, Request, Sample


@dataclass
class Gathered:
    """What asking one pair has gathered so far."""

    answers: dict[str, Answer] = field(default_factory=dict)
    judgments: dict[str, Sequence[Judgment]] = field(default_factory=dict)
    judge_errors: dict[str, str] = field(default_factory=dict)
    prompt_hashes: dict[str, str] = field(default_factory=dict)
    prompt_lengths: dict[str, int | None] = field(default_factory=dict)
    tokens: dict[str, tuple[int, int]] = field(default_factory=dict)
    seen: dict[str, tuple[Request, Frame]] = field(default_factory=dict)
    frames: Frames = field(default_factory=Frames)
    judge_tokens: dict[str, tuple[int, int]] = field(default_factory=dict)
    sent: int = 0
    reused: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0


def grade(
    prepared: Prepared,
    pair: Pair,
    asked: Mapping[Pair, Gathered],
    items: Sequence[Item],
    *,
    told: Callable[[], None] = lambda: None,
) -> list[Sample]:
    """One sample per item, in their order: scores, or the error that left it without. All of them were asked. ``told`` is called
    for each that is graded."""
    suite, own = prepared.suites[pair[0]], asked[pair]
    others = asked[(pair[0], prepared.config.baseline)].answers if suite.needs_baseline else {}
    baseline = {key: answer for key, answer in others.items() if answer.error is None}
    found = [own.answers[item.key] for item in items if item.key not in own.judge_errors]
    answers = [answer for answer in found if answer.error is None]
    graded = {sample.key: sample for sample in _graded(suite, answers, own.judgments, baseline, told)}
    samples = []
    for item in items:
        answer = own.answers[item.key]
        error = answer.error or own.judge_errors.get(item.key)
        sample = graded.get(item.key) if error is None else None
        if sample is None or (sample.error is not None and not sample.task):  # a grader that raised knows only the key
            reason = error or (None if sample is None else sample.error)
            sample = failed(item, reason or "the suite returned no sample for this item", answer)
        sample = _finite(sample)
        flags = tuple(dict.fromkeys((*sample.flags, *bad_answer_flags(answer.completions, suite.watched))))
        samples.append(
            msgspec.structs.replace(
                sample,
                flags=flags,
                prompt_hash=sample.prompt_hash or own.prompt_hashes.get(item.key, ""),
                prompt_length=own.prompt_lengths.get(item.key),
                tokens=own.tokens.get(item.key),
                rendered=None if item.key not in own.seen else own.frames.rendered(sample.prompt, *own.seen[item.key]),
            )
        )
    return _with_gaps(suite, items, samples)


def _with_gaps(suite: Suite, items: Sequence[Item], samples: list[Sample]) -> list[Sample]:
    """Where an item failed, nothing is missing of metrics that it never has a score of; and another one of its cluster may have no
    score of the whole: that is a failure, too, and no question that the other side alone was asked."""
    broken = {sample.cluster for sample in samples if sample.error is not None} - {None}
    meant = [item for item, sample in zip(items, samples, strict=True) if sample.error is not None or sample.cluster in broken]
    scored, hinging, found = metrics_by_item(suite, meant), hinging_of(suite), []
    for sample in samples:
        own = scored.get(sample.key)
        if own is None:
            found.append(sample)
        elif sample.scores is None:
            named = (name.removeprefix(f"{sample.task}/") for name in suite.metrics)
            found.append(msgspec.structs.replace(sample, unscored=tuple(name for name in named if name not in own)))
        else:
            had = {*sample.scores, *sample.statistics}
            gaps = [name for name in own - had if not {name, f"{sample.task}/{name}"} & hinging]
            found.append(msgspec.structs.replace(sample, missing=tuple(sorted(gaps))))
    return found


def _graded(
    suite: Suite,
    answers: Sequence[Answer],
    judgments: Mapping[str, Sequence[Judgment]],
    baseline: Mapping[str, Answer],
    told: Callable[[], None],
) -> list[Sample]:
    """All at once; where a grader raises, without those at which it raises alone, so that one bad answer costs one item and becomes
    an error, not a zero; and where it still does, one by one."""
    try:
        together = []
        for sample in suite.grade(answers, judgments, baseline):
            together.append(sample)
            told()
        return together
    except Exception:
        alone, bad = list[Sample](), dict[str, Sample]()
        for answer in answers:
            try:
                alone += list(suite.grade([answer], judgments, baseline))
            except Exception as error:  # a grader is user code: whatever it raises is that item's error
                bad[answer.key] = Sample(key=answer.key, task="", error=f"grading failed: {type(error).__name__}: {error}")
        try:
            together = list(suite.grade([answer for answer in answers if answer.key not in bad], judgments, baseline))
        except Exception:  # something that no answer alone shows
            together = alone
        return [*together, *bad.values()]


def failed(item: Item, error: str, answer: Answer) -> Sample:
    """The sample of an item that could not be asked or graded."""
    return Sample(
        key=item.key, task=item.task, target=item.target, cluster=item.cluster, slices=item.slices, weight=item.weight, error=error,
        outputs=tuple(completion.text for completion in answer.completions),
    )  # fmt: skip


def _finite(sample: Sample) -> Sample:
    """A score that is not a finite number is a grader's failure."""
    if sample.scores is None:
        return sample
    wrong = [name for name, value in sample.scores.items() if not math.isfinite(value)]
    wrong += [name for name, values in sample.statistics.items() if not all(math.isfinite(value) for value in values)]
    if not wrong:
        return sample
    return msgspec.structs.replace(sample, scores=None, draws={}, statistics={}, error=f"{', '.join(wrong)} is not a finite number")


def bad_answer_flags(completions: Sequence[Completion], watched: Sequence[Flag]) -> list[Flag]:
    """Truncated and empty, where they are watched, read from generated completions (scored continuations have neither); and always
    what an engine says about a prompt: cut on the left, or a token across the boundary of context and continuation."""
    generated = [completion for completion in completions if completion.logprob is None]
    flags: list[Flag] = []
    if "truncated" in watched and any(completion.finish == "length" for completion in generated):
        flags.append("truncated")
    if "empty" in watched and any(not completion.text.strip() and not completion.tool_calls for completion in generated):
        flags.append("empty")
    if any(completion.cut for completion in completions):
        flags.append("context_cut")
    if any(completion.boundary for completion in completions):
        flags.append("boundary")
    return flags
