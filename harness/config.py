"""TOML or YAML (by suffix) -> Config, strict: path, what was found, "did you mean".

Paths inside a config are relative to the config's own folder; paths given by ``--set`` and ``--candidate`` are relative to where
the command runs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any, ClassVar, Literal

import msgspec

from harness.baselines import PREFIX, PROMOTED, means_pin, read_pins
from harness.checkpoints import answering, read_adapter_config
from harness.errors import ConfigError, UsageError
from harness.lines import entry_lines, located
from harness.plugins import did_you_mean
from harness.records import IMPORTED, Candidate, Handover, Price, Quarantined, Record, Rule, Sequential, Stage
from harness.strict import convert, expand, override, read

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_PATH_KEYS = {"model", "adapter", "chat_template", "store", "pins", "items", "text", "admission", "include", "contaminated"}


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


class Config(Record, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything a gate needs. ``bad_answers`` False switches the implicit rules on truncated, empty and unparsable answers off.

    ``baseline``: a candidate's name, ``pin:NAME`` of the file ``pins`` (kept under version control), or ``pin`` for the one that is
    promoted there. ``contaminated``: a file with the items that were found in training data. ``prompt_lengths``:
    edges, in characters of what is asked, of the slice ``prompt_length`` that every item then has. ``sequential``: candidates are
    asked in part; in a file or with ``--set`` it may also be ``false``, which is as if it were absent. ``stages``:
    trainings in a row, of which the later ones may have cost what the earlier ones taught.
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
    pins: str = "baselines.toml"
    bad_answers: bool = True
    store: str = "runs"
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


def load(path: str | Path, *, sets: Iterable[str] = (), candidates: Iterable[str] = ()) -> Loaded:
    """Read, override, expand and check a config.

    ``sets`` are ``path=value`` overrides; ``candidates`` are ``NAME=PATH`` with any Hugging Face or PEFT folder.
    UsageError or ConfigError for everything that can be wrong in the file itself; models and data are checked by the pipeline.
    """
    path = Path(path)
    with located(str(path)):
        return _loaded(path, read(path), sets, candidates)


def _loaded(path: Path, raw: Any, sets: Iterable[str], candidates: Iterable[str]) -> Loaded:
    if not isinstance(raw, dict):
        raise ConfigError("a config is a table of keys", file=str(path))
    for assignment in sets:
        override(raw, _from_here(assignment))
    for declared in candidates:
        _declare(raw, declared, path)
    if raw.get("sequential") is False:  # as --set says it, too
        del raw["sequential"]
    _refuse_derived(raw, str(path))
    config = convert(expand(raw, file=str(path)), Config, file=str(path))
    folder = path.resolve().parent
    config = _placed(_absolute(config, folder), path)
    _check(config, str(path))
    if config.baseline == PROMOTED and (promoted := read_pins(folder / config.pins).promoted):
        config = msgspec.structs.replace(config, baseline=f"{PREFIX}{promoted}")
    return Loaded(config=config, folder=folder, file=str(path))


def _placed(config: Config, path: Path) -> Config:
    """Every rule with its line in the file, where the file holds just these rules."""
    lines = entry_lines(path, "rules")
    if len(lines) != len(config.rules):
        return config
    rules = tuple(msgspec.structs.replace(rule, line=line) for rule, line in zip(config.rules, lines, strict=True))
    return msgspec.structs.replace(config, rules=rules)


def _refuse_derived(raw: dict[str, Any], file: str) -> None:
    """ConfigError for what a rule knows of itself and nobody can say: an implicit rule, or one of another line, would be a lie."""
    rules = raw.get("rules")
    for index, rule in enumerate(rules if isinstance(rules, list) else ()):
        for name in rule if isinstance(rule, dict) else ():
            if name in RuleConfig.DERIVED:
                known = [field for field in RuleConfig.__struct_fields__ if field not in RuleConfig.DERIVED]
                raise ConfigError(f"unknown key {name!r}. {did_you_mean(name, known)}", where=f"rules[{index}].{name}", file=file)


def is_name(text: str) -> bool:
    """Whether a candidate or a suite can be called so."""
    return _NAME.fullmatch(text) is not None


def _from_here(assignment: str) -> str:
    """A path given on the command line is relative to where the command runs, not to the config."""
    key, equals, value = assignment.partition("=")
    if equals and key.rsplit(".", 1)[-1] in _PATH_KEYS and value and Path(value).exists():
        return f"{key}={Path(value).resolve()}"
    return assignment


def _declare(raw: dict[str, Any], declared: str, config: Path) -> None:
    """Add, or point elsewhere, the candidate of ``NAME=PATH``.

    Its other settings come from the candidate already declared with that name, else from the baseline.
    """
    name, equals, text = declared.partition("=")
    if not equals or not name or not text:
        raise UsageError(f"--candidate {declared!r}: expected NAME=PATH, such as week47=checkpoints/week47")
    folder = Path(text).resolve()
    if not folder.is_dir():
        raise UsageError(f"--candidate {declared!r}: {text!r} is not a folder. Expected a Hugging Face model or a PEFT adapter.")
    entries = raw.setdefault("candidates", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        return  # what is wrong with it is said when all of the config is read
    own = next((entry for entry in entries if entry.get("name") == name), None)
    model: dict[str, Any] = next((entry for entry in entries if entry.get("name") == raw.get("baseline")), {})
    entry = dict(own or {key: model[key] for key in ("engine", "options", "resources") if key in model})
    for place in ("adapter", "revision"):
        entry.pop(place, None)
    entry |= {"name": name, **_places(folder, own or model, declared, config)}
    if own is None:
        entries.append(entry)
    else:
        entries[entries.index(own)] = entry


def _places(folder: Path, template: dict[str, Any], declared: str, config: Path) -> dict[str, str]:
    """Where the model and the adapter of a checkpoint folder are."""
    if template.get("engine") == "lm_eval_results":
        return {"model": str(folder)}
    if (folder / "candidate.json").is_file():
        handover = read_handover(folder)
        places = {"model": handover.model, "adapter": handover.adapter, "revision": handover.revision if handover.adapter else None}
        return {name: place for name, place in places.items() if place}
    if (folder / "adapter_config.json").is_file():
        named = read_adapter_config(folder, where="--candidate").get("base_model_name_or_path") or ""
        base = str(template.get("model") or "") or named
        if not base:
            raise UsageError(
                f"--candidate {declared!r}: the adapter does not name its base model. Declare a baseline with the base in {config}."
            )
        revision = {"revision": str(template["revision"])} if template.get("model") and template.get("revision") else {}
        return {"model": base, "adapter": str(folder), **revision}
    if (folder / "config.json").is_file():
        return {"model": str(folder)}
    raise UsageError(
        f"--candidate {declared!r}: {folder.name!r} holds neither config.json (a model) nor adapter_config.json (an adapter) "
        "nor candidate.json (what sftgate train writes)"
    )


def read_handover(folder: Path) -> Handover:
    """``candidate.json`` of a trained candidate, with its paths made absolute. UsageError where it is absent or malformed."""
    file = folder / "candidate.json"
    try:
        handover = msgspec.json.decode(file.read_bytes(), type=Handover)
    except OSError as error:
        raise UsageError(f"{file}: cannot be read: {error.strerror}") from error
    except msgspec.DecodeError as error:
        raise UsageError(f"{file}: not a candidate.json: {error}") from error
    return msgspec.structs.replace(
        handover,
        model=_existing(handover.model, folder),
        adapter=_existing(handover.adapter, folder) if handover.adapter else None,
        base=_existing(handover.base, folder) if handover.base else "",
    )


def _existing(text: str, folder: Path) -> str:
    """``text`` as an absolute path where it exists under ``folder`` or here; else unchanged (a hub name)."""
    for place in (folder / text, Path(text)):
        if text and place.exists():
            return str(place.resolve())
    return text


def _absolute(config: Config, folder: Path) -> Config:
    def located(entry: Any) -> Any:
        model = entry.model if entry.engine == "openai" else _existing(entry.model, folder)
        adapter = _existing(entry.adapter, folder) if entry.adapter else entry.adapter
        options = entry.options
        if isinstance(options.get("chat_template"), str):
            options = {**options, "chat_template": _existing(options["chat_template"], folder)}
        return msgspec.structs.replace(entry, model=model, adapter=adapter, options=options)

    candidates = tuple(located(_handed_over(candidate, folder)) for candidate in config.candidates)
    engines = {name: located(engine) for name, engine in config.engines.items()}
    return msgspec.structs.replace(config, candidates=candidates, engines=engines)


def _handed_over(candidate: CandidateConfig, folder: Path) -> CandidateConfig:
    """A candidate that points at the folder of a training run, with the places that its ``candidate.json`` names."""
    if candidate.engine == "openai":
        return candidate
    for text in (candidate.adapter, None if candidate.adapter else candidate.model):
        place = Path(_existing(text or "", folder))
        if text and (place / "candidate.json").is_file():
            handover = read_handover(place)
            revision = candidate.revision or handover.revision if handover.adapter else None  # an adapter is of one revision
            return msgspec.structs.replace(candidate, model=handover.model, adapter=handover.adapter, revision=revision)
    return candidate


def _check(config: Config, file: str) -> None:
    def wrong(message: str, where: str) -> ConfigError:
        return ConfigError(message, where=where, file=file)

    for what, names in (("candidate", [c.name for c in config.candidates]), ("suite", [s.name for s in config.suites])):
        where = f"{what}s"
        if not names:
            raise wrong(f"no {what} is declared. Expected at least one.", where)
        for index, name in enumerate(names):
            if not is_name(name):
                raise wrong(f"{name!r} cannot be a name. Use letters, digits, '.', '_' and '-'.", f"{where}[{index}].name")
            if name in names[:index]:
                raise wrong(f"two {what}s are named {name!r} (entries {names.index(name)} and {index}). Names must differ.", where)
    if any(suite.name == "human" for suite in config.suites):
        raise wrong("'human' is the suite of people's votes. Give this one another name.", "suites")
    names = [candidate.name for candidate in config.candidates]
    if PROMOTED in names:
        raise wrong(f"{PROMOTED!r} is what the promoted baseline is called. Give this candidate another name.", "candidates")
    if config.baseline not in names and not means_pin(config.baseline):
        raise wrong(f"the baseline {config.baseline!r} is not a candidate. {did_you_mean(config.baseline, names)}", "baseline")
    for name in config.engines:
        if name in names:
            raise wrong(f"{name!r} is the name of a candidate too. Give the engine another name.", f"engines.{name}")
    for name in ("max_errors", "max_contaminated"):
        share = getattr(config.limits, name)
        if share is not None and not 0 <= share < 1:
            raise wrong(f"expected a share between 0 and 1, found {share!r}", f"limits.{name}")
    for place, message in _contamination_faults(config):
        raise wrong(message, place)
    for index, suite in enumerate(config.suites):
        if suite.spending and suite.use == IMPORTED:
            raise wrong("imported scores cost nothing that is known here; leave it out", f"suites[{index}].spending")
    edges = config.prompt_lengths
    if any(edge < 1 for edge in edges) or any(one >= other for one, other in pairwise(edges)):
        raise wrong(
            f"expected numbers of characters from 1, each greater than the one before it, found {list(edges)}", "prompt_lengths"
        )
    for place, message in _sequential_faults(config):
        raise wrong(message, f"sequential.{place}")
    for place, message in _stage_faults(config):
        raise wrong(message, place)
    for index, candidate in enumerate(config.candidates):
        if candidate.reference is not None and candidate.reference not in names:
            raise wrong(f"the reference {candidate.reference!r} is not a candidate. {did_you_mean(candidate.reference, names)}",
                        f"candidates[{index}].reference")  # fmt: skip
        if not candidate.model and answering(candidate).engine not in {"fake", "none"}:
            raise wrong("the key 'model' is missing", f"candidates[{index}]")
    for index, suite in enumerate(config.suites):
        for key, given in (("expect", suite.expect), ("range", suite.range)):
            for low, high in () if given is None else given.values() if isinstance(given, dict) else (given,):
                if not -math.inf < low < high < math.inf:
                    raise wrong(
                        f"expected a band [low, high] with low < high, both finite, found [{low}, {high}]", f"suites[{index}].{key}"
                    )
    for index, rule in enumerate(config.rules):
        if rule.about == "recipe" and not any(candidate.recipe for candidate in config.candidates):
            raise wrong(
                'the rule is about a recipe, and no candidate is a replicate of one. Set recipe = "NAME" on the candidates that '
                "differ by their training seed only.",
                f"rules[{index}].about",
            )
    _check_quarantine(config, file)


def _check_quarantine(config: Config, file: str) -> None:
    """Every entry has a suite, a reason and a date to come. Whether the suite has the item is checked when its items are known."""
    suites, today = [suite.name for suite in config.suites], datetime.now(UTC).date()
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(config.quarantine):
        where, wrong = f"quarantine[{index}]", ""
        if entry.suite not in suites:
            where, wrong = f"{where}.suite", f"no suite is named {entry.suite!r}. {did_you_mean(entry.suite, suites)}"
        elif not entry.reason.strip():
            where = f"{where}.reason"
            wrong = f"it is not said why item {entry.key!r} is in quarantine. Expected a reason that others can check."
        elif entry.until < today:
            days = (today - entry.until).days
            where = f"{where}.until"
            wrong = (
                f"the quarantine of item {entry.key!r} of {entry.suite} ended on {entry.until.isoformat()}, "
                f"{days} day{'' if days == 1 else 's'} ago ({entry.reason.strip()}). Fix the item and delete the entry, or set a "
                "new date."
            )
        elif (entry.suite, entry.key) in seen:
            where, wrong = f"{where}.key", f"item {entry.key!r} of {entry.suite} is in quarantine twice. Keep one entry."
        if wrong:
            raise ConfigError(wrong, where=where, file=file)
        seen.add((entry.suite, entry.key))


def _contamination_faults(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong with what is said about contaminated items: where, and the sentence."""
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


def _stage_faults(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong with ``[[stages]]``: where, and the sentence."""
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


def _sequential_faults(config: Config) -> Iterator[tuple[str, str]]:
    """What is wrong with ``[sequential]``: where, and the sentence."""
    settings, names = config.sequential, [suite.name for suite in config.suites]
    if settings is None:
        return
    if not 2 <= settings.looks <= 10:
        yield "looks", f"expected 2 to 10 looks at the data, the last one included, found {settings.looks}"
    if not 0 <= settings.futility < 1:
        yield "futility", f"expected a chance from 0 (never give a suite up) to below 1, such as 0.1, found {settings.futility}"
    if settings.min_items < 1:
        yield "min_items", f"expected 1 item or more before the first look, such as 50, found {settings.min_items}"
    for index, name in enumerate(settings.suites):
        if name not in names:
            yield f"suites[{index}]", f"no suite is named {name!r}. {did_you_mean(name, names)}"
