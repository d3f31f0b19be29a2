"""The nouns of sftgate: frozen msgspec structs and nothing else.

Every struct here can be written to JSON and read back by msgspec, so there is no hand-written (de)serialiser in the
project. Files that are persisted carry ``format = 1``. Unknown fields are refused only in the user's own config
(``harness.config`` derives strict variants where a noun appears there).
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

FORMAT = 1

MetricKind = Literal["binary", "bounded", "real", "count", "ordinal", "corpus", "ratio"]
Direction = Literal["higher", "lower"]
Flag = Literal["truncated", "empty", "unparsable", "refused", "conflict", "context_cut", "boundary"]
Outcome = Literal["pass", "fail", "inconclusive", "insensitive", "invalid", "not_comparable", "no_baseline"]
Require = Literal["superior", "non_inferior", "not_regressed", "at_least", "at_most"]
Severity = Literal["block", "warn", "inform"]


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """What all nouns share: frozen, keyword-only."""


# ---------------------------------------------------------------------------------------------- what is evaluated


class Candidate(Record, frozen=True, kw_only=True):
    """Weights to evaluate and how they are served.

    ``options`` may change outputs (dtype, quantisation, context length) and are fingerprinted; ``resources`` change only
    speed and are not. ``reference`` names the candidate that forgetting is measured against (default: its own base, when that is a
    candidate too).
    """

    name: str
    model: str = ""
    revision: str | None = None
    adapter: str | None = None
    engine: str = "vllm"
    options: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    training_data: tuple[str, ...] = ()
    reference: str | None = None


# ------------------------------------------------------------------------------------------- what a model is asked


class Message(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One chat turn, in OpenAI's words."""

    role: str
    content: str = ""
    name: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    tool_call_id: str | None = None


class Request(Record, frozen=True, kw_only=True, omit_defaults=True):
    """One thing asked of an engine. Every sampling parameter is sent explicitly.

    ``generate`` answers ``messages`` (through the chat template) or ``prompt`` (raw text).
    ``score`` gives the log-probability of ``continuation`` after ``prompt`` or after ``messages`` + generation prompt.
    ``score_rolling`` gives the log-probability of all of ``prompt``, conditioned on BOS/EOS as in lm-eval.
    ``top_k = 0`` means off. ``to`` names another engine than the candidate's own (a judge, a simulated user).
    ``draw`` counts sampled answers to one item; it is part of the journal key. ``item`` is the key of the item that it belongs to,
    by which recorded answers are found; it does not enter the journal key, because no model sees it. ``overlong``: what does not
    fit the model's context is an error, or (as in lm-eval) loses its left end, which ``Completion.cut`` counts. ``greedy`` False:
    who asks for a score need not know whether the continuation is the most likely one, which spares some engines much work.

    Defaults are left out of the encoded form, so that a field that is added later changes no journal key.
    """

    kind: Literal["generate", "score", "score_rolling"] = "generate"
    messages: tuple[Message, ...] = ()
    prompt: str | None = None
    continuation: str | None = None
    tools: tuple[dict[str, Any], ...] = ()
    schema: dict[str, Any] | None = None
    max_tokens: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    stop: tuple[str, ...] = ()
    seed: int = 0
    continue_final: bool = False
    enable_thinking: bool | None = None
    overlong: Literal["error", "truncate_left"] = "error"
    greedy: bool = True
    to: str | None = None
    draw: int = 0
    item: str | None = None


class Completion(Record, frozen=True, kw_only=True):
    """What an engine answered.

    Generation fills ``text``, ``token_ids`` (end-of-turn token stripped), ``finish``. Scoring fills ``logprob`` (nats, summed
    over the continuation), ``greedy`` (was every token the arg-max), ``tokens`` and ``bytes`` (of the continuation's text).
    ``tokens_in`` counts the prompt as the model saw it; ``tokens_out`` counts generated tokens, end of turn included, of which
    ``reasoning_tokens`` stood before the answer. ``cut`` counts prompt tokens that were dropped on the left to fit the context.
    ``boundary``: context and continuation, tokenised together, share a token; the score is lm-eval's, of the whole tokens after it.
    """

    text: str = ""
    reasoning: str | None = None
    tool_calls: tuple[dict[str, Any], ...] = ()
    token_ids: tuple[int, ...] = ()
    finish: Literal["stop", "length", "error"] = "stop"
    tokens_in: int = 0
    tokens_out: int = 0
    seconds: float = 0.0
    first_token_seconds: float | None = None
    logprob: float | None = None
    greedy: bool | None = None
    tokens: int | None = None
    bytes: int | None = None
    reasoning_tokens: int = 0
    cut: int = 0
    boundary: bool = False


# ---------------------------------------------------------------------------------------------- what a suite holds


class Metric(Record, frozen=True, kw_only=True):
    """How the numbers of one metric are to be read and aggregated.

    ``aggregator`` is ``mean`` for per-item scores, or the name of a corpus aggregation in ``harness.stats`` (``ratio``, ``bleu``,
    ``chrf``, ``bits_per_byte``) over ``Sample.statistics``. ``chance`` is the expected score of guessing, for multiple choice.
    """

    kind: MetricKind = "binary"
    direction: Direction = "higher"
    aggregator: str = "mean"
    unit: str = ""
    chance: float | None = None


class Item(Record, frozen=True, kw_only=True):
    """One question. Items of one ``cluster`` (same passage, same source document) are not independent."""

    key: str
    task: str
    data: dict[str, Any] = {}
    target: Any = None
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0


class Answer(Record, frozen=True, kw_only=True):
    """What one candidate answered to one item: completions, or why there are none."""

    key: str
    completions: tuple[Completion, ...] = ()
    error: str | None = None


class Judgment(Record, frozen=True, kw_only=True):
    """One opinion of one judge. ``score`` None: the judge's words could not be parsed (its own outcome, never a tie).

    ``order`` says which side the candidate stood on when the judge looked: ``left``, ``right`` or ``alone``.
    """

    score: float | None = None
    reason: str = ""
    raw: str = ""
    judge: str = ""
    order: Literal["left", "right", "alone"] = "alone"


class Sample(Record, frozen=True, kw_only=True):
    """One item as one candidate answered it: ``scores`` or ``error``, never both, never neither.

    ``draws`` holds the per-draw values behind a score; ``statistics`` the per-item sufficient statistics of corpus metrics.
    ``prompt`` and ``outputs`` are for people; ``prompt_hash`` is the hash of the first requests (messages and decoding), by which
    two sides prove that they were asked the same.
    """

    key: str
    task: str
    prompt: str = ""
    target: Any = None
    outputs: tuple[str, ...] = ()
    cluster: str | None = None
    slices: dict[str, str] = {}
    weight: float = 1.0
    scores: dict[str, float] | None = None
    error: str | None = None
    draws: dict[str, list[float]] = {}
    statistics: dict[str, list[float]] = {}
    flags: tuple[Flag, ...] = ()
    judgments: tuple[Judgment, ...] = ()
    prompt_hash: str = ""

    def __post_init__(self) -> None:
        if (self.scores is None) == (self.error is None):
            raise ValueError(f"sample {self.key!r} must have scores or an error, and not both")


class Admission(Record, frozen=True, kw_only=True):
    """How a judge did on labelled pairs, and whether it may gate.

    ``accuracy`` and Cohen's ``kappa`` are three-way, over both orders; ``consistency`` is the share of pairs whose two orders
    agree; ``first_slot`` the share of the ``conflicts`` in which the first answer was preferred twice (``first_slot_p``: exact
    binomial p).
    ``canaries`` are bad answers (empty, copied) set against right ones; ``canaries_beaten`` counts those that lost, as they must.
    """

    judge: str
    admitted: bool
    pairs: int
    accuracy: float
    kappa: float
    consistency: float
    unparsable: float
    first_slot: float | None = None
    first_slot_p: float | None = None
    conflicts: int = 0
    canaries: int = 0
    canaries_beaten: int = 0
    reasons: tuple[str, ...] = ()


class Fingerprints(Record, frozen=True, kw_only=True):
    """Content hashes of one candidate. ``asked`` covers all the others; ``None`` where there is nothing to hash (an endpoint)."""

    asked: str
    weights: str | None = None
    adapter: str | None = None
    tokenizer: str | None = None
    template: str | None = None
    engine: str = ""


class Run(Record, frozen=True, kw_only=True):
    """One candidate put through one suite, on disk, self-describing.

    ``graded`` is the fingerprint that names the folder: what was asked of whom, and how it was graded. ``declared`` is the hash
    of the candidate and suite as the config declared them, so that concluding from copied files notices a config that moved on.
    ``reference`` names the candidate that forgetting is measured against. ``seconds`` is the wall time of the stages that this run
    took part in, shared with the other candidates of its engine. ``samples_hash`` is filled by the store: what ``samples.jsonl``
    held. ``groups`` are tasks that are read together: group -> metric -> task -> how much the task counts.
    """

    format: int = FORMAT
    candidate: Candidate
    suite: str
    use: str
    fingerprints: Fingerprints
    graded: str
    items_hash: str
    suite_hash: str
    judge_hash: str | None = None
    engine: dict[str, Any] = {}
    metrics: dict[str, Metric] = {}
    primary: str = ""
    groups: dict[str, dict[str, dict[str, float]]] = {}
    watched: tuple[Flag, ...] = ()
    retained: bool = False
    expect: dict[str, tuple[float, float]] = {}
    planned: int = 0
    asked: int = 0
    failed: int = 0
    reused_requests: int = 0
    sent_requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    flags: dict[str, int] = {}
    looks: tuple[int, ...] = ()
    admission: Admission | None = None
    seed: int = 0
    limit: int | None = None
    declared: str = ""
    reference: str | None = None
    seconds: float = 0.0
    created: str = ""
    environment: dict[str, Any] = {}
    samples_hash: str = ""


# --------------------------------------------------------------------------------------------------- what is decided


class Comparison(Record, frozen=True, kw_only=True):
    """One metric, a candidate against another over shared items. ``gain`` > 0 is better whatever the direction.

    ``p`` belongs to the rule's own hypothesis (margin included) when a rule made the comparison, else to "no difference".
    ``won``/``lost``/``tied`` count items; ``mde`` is the smallest true loss that would have been seen with 80 % power.
    """

    metric: str
    baseline: str
    candidate: str
    baseline_value: float
    candidate_value: float
    gain: float
    low: float | None = None
    high: float | None = None
    level: float = 0.90
    p: float | None = None
    method: str = ""
    parameters: dict[str, Any] = {}
    items: int = 0
    clusters: int = 0
    missing: int = 0
    won: int = 0
    lost: int = 0
    tied: int = 0
    mde: float | None = None
    kind: MetricKind = "binary"
    direction: Direction = "higher"
    note: str = ""


class Rule(Record, frozen=True, kw_only=True):
    """One line of policy. ``metric`` is a glob over ``suite/task/metric``."""

    metric: str
    require: Require
    name: str | None = None
    margin: float | None = None
    value: float | None = None
    relative: bool = False
    guard_below: float | None = None
    against: str = "baseline"
    pool: bool = False
    slice: str | None = None
    alpha: float = 0.05
    min_items: int = 1
    max_missing: float = 0.0
    max_errors: float | None = None
    severity: Severity = "block"
    on_inconclusive: Literal["inconclusive", "fail", "pass"] = "inconclusive"
    implicit: bool = False


class Finding(Record, frozen=True, kw_only=True):
    """What one rule says about one comparison, and why, in one sentence."""

    rule: Rule
    outcome: Outcome
    reason: str
    metric: str = ""
    comparison: Comparison | None = None


class Verdict(Record, frozen=True, kw_only=True):
    """The gate's answer for one candidate. ``sentence`` is what a person reads first; ``change`` what would change it."""

    candidate: str
    outcome: Outcome
    sentence: str
    change: str = ""
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()


class Health(Record, frozen=True, kw_only=True):
    """How asking went for one candidate in one suite."""

    candidate: str
    suite: str
    planned: int
    asked: int
    failed: int
    flags: dict[str, int] = {}
    value: float | None = None
    metric: str = ""
    expect: tuple[float, float] | None = None
    in_band: bool | None = None


class Parity(Record, frozen=True, kw_only=True):
    """One thing that two sides of a comparison had in common, or not. ``allowed``: named in ``[comparability] allow``."""

    candidate: str
    suite: str
    what: str
    equal: bool
    baseline_value: str = ""
    candidate_value: str = ""
    required: bool = True
    allowed: bool = False


class Conclusion(Record, frozen=True, kw_only=True):
    """All that the gate concluded: the content of ``verdict.json`` and the only source of the report's numbers."""

    format: int = FORMAT
    created: str
    baseline: str
    reference: dict[str, str] = {}
    outcome: Outcome
    exit_code: int
    verdicts: tuple[Verdict, ...] = ()
    comparisons: tuple[Comparison, ...] = ()
    health: tuple[Health, ...] = ()
    parity: tuple[Parity, ...] = ()
    admissions: dict[str, Admission] = {}
    runs: dict[str, dict[str, str]] = {}
    seed: int = 0
    command: str = ""
    environment: dict[str, Any] = {}


class Measured(Record, frozen=True, kw_only=True):
    """A run with its samples, as read from the store."""

    run: Run
    samples: tuple[Sample, ...] = ()


# --------------------------------------------------------------------------------------------------- what was trained


class TrainingPoint(Record, frozen=True, kw_only=True):
    """One optimiser step. ``loss`` is nats per supervised token of that step; ``grad_norm`` before clipping."""

    step: int
    loss: float
    learning_rate: float
    grad_norm: float
    supervised_tokens: int


class ValidationPoint(Record, frozen=True, kw_only=True):
    """Validation after a step: data set name -> nats per supervised token."""

    step: int
    losses: dict[str, float]


class Training(Record, frozen=True, kw_only=True):
    """How a candidate came to be: the content of ``training.json``. Seconds are wall time; tokens count real (non-pad) tokens."""

    format: int = FORMAT
    name: str
    method: str
    base: str
    seed: int = 0
    steps: int = 0
    epochs: float = 0.0
    best_step: int | None = None
    points: tuple[TrainingPoint, ...] = ()
    validations: tuple[ValidationPoint, ...] = ()
    tokens: int = 0
    supervised_tokens: int = 0
    seconds: float = 0.0
    parameters_trained: int = 0
    parameters_total: int = 0
    trained_text: tuple[str, ...] = ()
    data: dict[str, Any] = {}
    config: dict[str, Any] = {}
    environment: dict[str, Any] = {}


class Handover(Record, frozen=True, kw_only=True):
    """What a trainer hands over: the content of ``candidate.json``. Paths are relative to its folder unless absolute.

    For a full fine-tune ``model`` is the folder of the new weights; for an adapter ``model`` is the base, ``adapter`` its folder.
    """

    format: int = FORMAT
    name: str
    model: str
    adapter: str | None = None
    base: str = ""
    method: str = ""
    training_data: tuple[str, ...] = ()
