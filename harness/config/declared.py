"""What a user declares: a record per table of the file, strict where the noun itself is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Literal

from harness.errors import ConfigError
from harness.plugins import did_you_mean
from harness.records import Candidate, Price, Quarantined, Record, Rule, Sequential, Stage


class CandidateConfig(Candidate, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A candidate as the user declares it."""


class EngineConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A helper model (a judge, a simulated user) that suites refer to by name. ``price``: what its tokens cost."""

    model: str = ""
    revision: str | None = None
    adapter: str | None = None
    engine: str = "vllm"
    options: dict[str, Any] = {}
    resources: dict[str, Any] = {}
    price: Price | None = None


class SuiteConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A suite as the user declares it.

    ``retained`` marks what must not be lost (forgetting is derived for it). ``expect`` is the band in which the baseline's primary
    metric must lie (a pair, or one pair per metric): outside it the suite is insensitive and passes nothing. ``range``: the lowest
    and the highest score that an item can have, of a metric that does not say so itself (likewise a pair, or one per metric).
    ``spending``: the tokens of an item, and the money that they are worth, are metrics too.
    """

    name: str
    use: str
    options: dict[str, Any] = {}
    retained: bool = False
    expect: tuple[float, float] | dict[str, tuple[float, float]] | None = None
    range: tuple[float, float] | dict[str, tuple[float, float]] | None = None
    spending: bool = False


class RuleConfig(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A rule as the user declares it."""

    DERIVED: ClassVar = frozenset({"line", "implicit"})
    """What only we know of a rule: where it stands, and whether anybody wrote it."""


class SequentialConfig(Sequential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How candidates are asked in part, as the user declares it."""


class QuarantinedConfig(Quarantined, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An item that does not count for a time, as the user declares it."""


class StageConfig(Stage, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One of several trainings in a row, as the user declares it."""


class Limits(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``max_errors``: share of items of a suite that may fail before its verdict is invalid. ``max_contaminated``: share of the
    items of a rule that may have been found in training data before its finding is; None: any."""

    max_errors: float = 0.01
    max_contaminated: float | None = None


class Comparability(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``allow``: differences between the sides that are accepted, and then said in the report's banner."""

    allow: tuple[Literal["template", "engine", "dtype", "quantisation", "version"], ...] = ()


class ReviewConfig(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What ``sftgate review export`` goes by where no flag says otherwise; the keys are the flags' names.

    ``items``: how many to draw, of the slice ``by`` in strata. ``disputed``: how many times as often those are drawn that judges
    disagree on, or that ``disputed_metric`` points at. ``leaks``: what becomes of answers that may name a model. ``check_file``:
    attention checks of your own. ``each``: how many raters see an item, ``shared``: how many items all of them see.
    """

    suite: str | None = None
    items: int = 60
    seed: int = 0
    by: str | None = None
    allocation: Literal["proportional", "equal"] = "proportional"
    disputed: float = 1.0
    disputed_metric: str | None = None
    leaks: Literal["show", "mask", "omit"] = "show"
    checks: int = 0
    check_file: str | None = None
    duplicates: int = 0
    raters: tuple[str, ...] = ()
    each: int = 1
    shared: int = 0
    separate: bool = False
    strength: bool = False
    reasons: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    language: Literal["en", "zh"] = "en"
    guidance: str = ""
    formats: tuple[str, ...] = ("html", "csv")


class Config(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a gate needs. ``bad_answers`` False switches the implicit rules on truncated, empty and unparsable answers off.

    ``baseline``: a candidate's name, ``pin:NAME`` of the file ``pins`` (kept under version control), or ``pin`` for the one that is
    promoted there. ``contaminated``: a file with the items that were found in training data. ``prompt_lengths``:
    edges, in characters of what is asked, of the slice ``prompt_length`` that every item then has. ``sequential``: candidates are
    asked in part; in a file or with ``--set`` it may also be ``false``, which is as if it were absent. ``stages``:
    trainings in a row, of which the later ones may have cost what the earlier ones taught. ``review``: how people are asked.
    ``lang``: of the report's interface.
    """

    candidates: tuple[CandidateConfig, ...]
    suites: tuple[SuiteConfig, ...]
    baseline: str
    rules: tuple[RuleConfig, ...] = ()
    engines: dict[str, EngineConfig] = {}
    limits: Limits = Limits()
    comparability: Comparability = Comparability()
    sequential: SequentialConfig | None = None
    quarantine: tuple[QuarantinedConfig, ...] = ()
    contaminated: str | None = None
    prompt_lengths: tuple[int, ...] = ()
    stages: tuple[StageConfig, ...] = ()
    review: ReviewConfig = ReviewConfig()
    pins: str = "baselines.toml"
    bad_answers: bool = True
    store: str = "runs"
    lang: Literal["en", "zh"] = "en"
    seed: int = 0

    def candidate(self, name: str) -> Candidate:
        """The candidate named ``name``; ConfigError where there is none."""
        for candidate in self.candidates:
            if candidate.name == name:
                return candidate
        raise ConfigError(f"no candidate is named {name!r}. {did_you_mean(name, [c.name for c in self.candidates])}")

    def suite(self, name: str) -> SuiteConfig:
        """The suite named ``name``, which is there."""
        return next(suite for suite in self.suites if suite.name == name)


class Loaded(Record, frozen=True, kw_only=True):
    """A config and where it came from. ``part``: of the store, that selections and outputs belong to (``smoke``)."""

    config: Config
    folder: Path
    file: str
    part: str = ""

    @property
    def store(self) -> Path:
        """The store's folder."""
        return self.folder / self.config.store

    @property
    def pins(self) -> Path:
        """The pin file."""
        return self.folder / self.config.pins
