"""From a config to suites, fingerprints and pairs to measure."""

from __future__ import annotations

import uuid
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import msgspec

from harness.baselines import means_pin
from harness.checkpoints import check_candidate
from harness.config import Config, EngineConfig, Loaded, SuiteConfig, read_handover
from harness.engines import ENGINES
from harness.environment import hardware
from harness.errors import ConfigError
from harness.fingerprint import candidate_fingerprints, digest
from harness.gate import TRANSITIONS, of_people_in, only_references
from harness.gate.selection import Half, half_of, traits_of
from harness.lines import located
from harness.pipeline.imported import adopt_imported
from harness.pipeline.left_out import contaminated
from harness.pipeline.pinned import check_meant, meant_pins
from harness.pipeline.portions import Division, divide
from harness.pipeline.sources import sources_of
from harness.pipeline.spending import with_spending
from harness.plugins import did_you_mean, load
from harness.protocols import Engine, Examining, Imported, Suite, groups_of, helper_of, judges_of, metrics_by_item
from harness.records import Candidate, Fingerprints, Item, Request
from harness.store import Store
from harness.strict import convert
from suites import SUITES

Pair = tuple[str, str]
"""(suite, candidate)."""

HUMAN = "human"
"""The suite under which people's votes are stored."""


@dataclass(frozen=True)
class Prepared:
    """A checked config with its suites built and its candidates fingerprinted. ``limit``: items per suite (``--smoke``).
    ``half``: only the items that select checkpoints, or only those that certify them.

    ``contaminated``: suite -> keys of its items that were found in training data; None where the config names no file of them.
    ``sources``: suite -> the files that its items come from, name -> hash of their content, as they were read.
    ``replicates``: candidates that repeat what another one was asked (A/A), with the number of the repetition: they are asked in
    another order, with other seeds, and never answered from the journal of another repetition.
    """

    loaded: Loaded
    suites: Mapping[str, Suite]
    engines: Mapping[str, type[Engine]]
    candidates: Mapping[str, Candidate]
    facts: Mapping[str, Mapping[str, Any]]
    prints: Mapping[str, Fingerprints]
    references: Mapping[str, str]
    sources: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    contaminated: Mapping[str, tuple[str, ...]] | None = None
    limit: int | None = None
    half: Half | None = None
    replicates: Mapping[str, int] = field(default_factory=dict)
    _items: dict[str, list[Item]] = field(default_factory=dict)

    @property
    def config(self) -> Config:
        """The config, as loaded."""
        return self.loaded.config

    @cached_property
    def store(self) -> Store:
        """The store that the config names."""
        return Store(self.loaded.store, self.loaded.part)

    @cached_property
    def _hardware(self) -> Mapping[str, Any]:
        return hardware()

    def items(self, suite: str) -> list[Item]:
        """The items of a suite; with a limit, the same seeded sample for every candidate, in the suite's order."""
        if suite not in self._items:
            whole, half = self.suites[suite].items(), self.half
            items = [item for item in whole if half is None or half_of(traits_of(item)) == half]
            if self.limit is not None and self.limit < len(items):
                chosen = {item.key for item in sorted(items, key=lambda item: digest([self.config.seed, item.key]))[: self.limit]}
                items = [item for item in items if item.key in chosen]
            self._items[suite] = items
        return self._items[suite]

    def pairs(self) -> Iterator[Pair]:
        """Every (suite, candidate) of the config that is to be asked, baseline first within a suite."""
        names = sorted((c.name for c in self.config.candidates), key=lambda name: name != self.config.baseline)
        for suite in self.config.suites:
            if not isinstance(self.suites[suite.name], Imported):
                yield from ((suite.name, name) for name in names)

    def graded(self, pair: Pair) -> str:
        """The *graded* fingerprint: asked + suite + judge + the baseline's asked where the suite looks at it.

        A suite that measures speed (``journalled`` False) is measured anew elsewhere, with other resources, over a fleet.
        """
        suite, replicate = self.suites[pair[0]], self.replicates.get(pair[1], 0)
        return digest(
            {
                "asked": self.prints[pair[1]].asked,
                "suite": suite.fingerprint(),
                "judge": self.judge_hash(pair[0]),
                "baseline": self.prints[self.config.baseline].asked if suite.needs_baseline else None,
                "is_baseline": suite.needs_baseline and pair[1] == self.config.baseline,
                "seed": self.config.seed,
                "limit": self.limit,
            }
            | ({} if suite.journalled else {"resources": self._speed(pair[1]), "hardware": self._hardware})
            | ({"replicate": replicate} if replicate else {})
            | ({"sequential": self._ends(pair)} if self.in_part(pair) else {})
            | ({"half": self.half} if self.half else {})
            | ({"helper": self.prints[helper].asked} if (helper := helper_of(suite)) else {})
        )

    def judge_hash(self, suite: str) -> str | None:
        """Hash of the judge of a suite as it is asked; of a jury, of all of its judges, in whatever order."""
        hashes = sorted(self.prints[name].asked for name in judges_of(self.suites[suite]))
        return digest(hashes) if len(hashes) > 1 else next(iter(hashes), None)

    def _ends(self, pair: Pair) -> Any:
        """All that decides, besides the answers, when asking in part ends."""
        config = self.config
        rules = [msgspec.structs.replace(rule, line=None) for rule in config.rules]
        others = {name: self.graded((pair[0], name)) for name in self.compared_with(pair[1]) if name in self.candidates}
        others |= {name: pin.runs[pair[0]].graded for name, pin in meant_pins(self.loaded).items() if pair[0] in pin.runs}
        suite = config.suite(pair[0])
        policy = [rules, config.limits, config.comparability, config.bad_answers, suite.retained, suite.expect]
        policy += [] if suite.range is None else [suite.range]
        policy += [config.prompt_lengths] if config.prompt_lengths else []
        policy += [[each.price for each in config.candidates]] if suite.spending else []
        left_out = [config.quarantine, self.contaminated]
        return [config.sequential, policy, left_out, others, len(self.judged)]

    def in_part(self, pair: Pair) -> bool:
        """Is this pair asked look by look, only until it is decided? Those that somebody is compared with never are."""
        return pair[0] in self.division.parts and pair[1] not in self._others and pair[1] not in self.replicates

    @cached_property
    def division(self) -> Division:
        """Which suites are asked in part; none in a smoke run."""
        if self.limit is not None:
            return Division()
        return divide(self.config, self.suites, self.items, self.metric_ids(), self.group_ids())

    @cached_property
    def _others(self) -> set[str]:
        """Everybody that somebody else is compared with."""
        return {other for candidate in self.config.candidates for other in self.compared_with(candidate.name)}

    @property
    def judged(self) -> list[str]:
        """Candidates that get a verdict: all but the baseline, and those who only serve as the reference of others."""
        apart = {self.config.baseline, *only_references(self.references)}
        return [candidate.name for candidate in self.config.candidates if candidate.name not in apart]

    def compared_with(self, name: str) -> set[str]:
        """Those whose answers decide whether a candidate may ship."""
        named = {rule.against for rule in self.config.rules} - {"baseline", "reference"}
        return {self.config.baseline, *named, self.references.get(name, name)} - {name}

    def _speed(self, name: str) -> Any:
        """What of a candidate's declaration changes how fast it answers and nothing else."""
        candidate = self.candidates[name]
        return candidate.resources if candidate.engine != "ray" else ["ray", candidate.resources]

    def metric_ids(self) -> set[str]:
        """Every ``suite/task/metric`` that the runs will provide, flags and forgetting included."""
        ids, retained = of_people_in(self.config.rules), {declared.name: declared.retained for declared in self.config.suites}
        for (suite_name, task), scored in self._scored.items():
            suite = self.suites[suite_name]
            named = [suite.metrics.get(f"{task}/{name}") or suite.metrics.get(name) for name in scored]
            known = retained.get(suite_name, False) and any(metric is not None and metric.kind == "binary" for metric in named)
            spent = with_spending(self.loaded, suite_name, suite.metrics).keys() - suite.metrics.keys()
            names = [*scored, *spent, *suite.watched, *(TRANSITIONS if known else ())]
            ids |= {"/".join(part for part in (suite_name, task, name) if part) for name in names}
        for declared in self.config.suites:
            suite = self.suites[declared.name]
            for group, metrics in groups_of(suite).items():
                ids |= {
                    f"{declared.name}/{group}/{name}" for name in (*metrics, *(("lost", "gained") if declared.retained else ()))
                }
        return ids

    @cached_property
    def _scored(self) -> Mapping[tuple[str, str], Collection[str]]:
        """(suite, task) -> the metrics that any of its items has a score of. A part of the items (``--smoke``) does not show it."""
        found: dict[tuple[str, str], set[str]] = defaultdict(set)
        for name, suite in self.suites.items():
            items = self.items(name)
            for item, scored in zip(items, metrics_by_item(suite, items).values(), strict=True):
                found[name, item.task] |= scored
        if self.limit is None and self.half is None:
            return found
        return {place: {*named, *self.suites[place[0]].metrics} for place, named in found.items()}

    def group_ids(self) -> set[str]:
        """Every ``suite/group``: a rule means one only where it names it literally."""
        return {f"{name}/{group}" for name, suite in self.suites.items() for group in groups_of(suite)}


def assemble(loaded: Loaded, *, limit: int | None = None) -> Prepared:
    """Build the suites and fingerprint the candidates. ConfigError for each that is wrong by itself; the rest is ``checking``'s."""
    with located(loaded.file):
        return _assembled(loaded, limit)


def _assembled(loaded: Loaded, limit: int | None) -> Prepared:
    config = loaded.config
    check_meant(loaded)
    models = _models(config)
    engines = {
        name: load(candidate.engine, ENGINES, what="engine", where=f"{place_of(config, name)}.engine")
        for name, candidate in models.items()
    }
    for name, candidate in models.items():
        check_candidate(candidate, where=place_of(config, name))
    suites = {entry.name: build_suite(entry, loaded, f"suites[{index}]") for index, entry in enumerate(config.suites)}
    for name, engine in engines.items():
        checking = getattr(engine, "check", None)
        if checking is not None:
            checking(models[name], where=place_of(config, name))
    for name, suite in suites.items():
        check_suite(name, suite, loaded)
    adopt_imported(loaded, suites)
    nonce = uuid.uuid4().hex
    facts = {name: dict(engines[name].describe(candidate)) for name, candidate in models.items()}
    prints = {name: candidate_fingerprints(candidate, facts[name], nonce=nonce) for name, candidate in models.items()}
    return Prepared(
        loaded=loaded, suites=suites, engines=engines, candidates=models, facts=facts, prints=prints, limit=limit,
        references=find_references(config, prints),
        sources={entry.name: sources_of(entry, suites[entry.name], loaded.folder) for entry in config.suites},
        contaminated=contaminated(loaded),
    )  # fmt: skip


def check_suite(name: str, suite: Suite, loaded: Loaded) -> None:
    """ConfigError where the rest of the config has not what a suite rests on: its helpers, a baseline that is asked, candidates
    that can answer it."""
    config = loaded.config
    place = f"suites[{[entry.name for entry in config.suites].index(name)}]"
    for option, named in (*(("judge", judge) for judge in judges_of(suite)), ("writer", helper_of(suite))):
        if named is not None and named not in config.engines:
            known = did_you_mean(named, config.engines) if config.engines else "The config declares no engines."
            where = f"{place}.options.{option}"
            raise ConfigError(f"the {option} {named!r} is not declared under 'engines'. {known}", where=where, file=loaded.file)
    if suite.needs_baseline and means_pin(config.baseline):
        raise ConfigError(
            f"its answers are judged beside the baseline's, which a pin does not ask anew: {config.baseline!r} cannot be the "
            "baseline of this suite. Declare the baseline's weights as a candidate, and name that candidate as the baseline.",
            where=place,
            file=loaded.file,
        )
    if isinstance(suite, Examining):
        for candidate in candidates_of(config):
            suite.examine(candidate, where=place_of(config, candidate.name))


def candidates_of(config: Config) -> list[Candidate]:
    """The candidates that a config declares, in its order."""
    return [Candidate(**{key: getattr(entry, key) for key in Candidate.__struct_fields__}) for entry in config.candidates]


def _models(config: Config) -> dict[str, Candidate]:
    """Candidates and helper engines, by name: both are weights that something serves."""
    models = {candidate.name: candidate for candidate in candidates_of(config)}
    fields = ("model", "revision", "adapter", "engine", "options", "resources", "price")
    helpers = {name: Candidate(name=name, **{key: getattr(entry, key) for key in fields}) for name, entry in config.engines.items()}
    return models | helpers


def place_of(config: Config, name: str) -> str:
    """Where in the config a candidate or an engine stands."""
    names = [candidate.name for candidate in config.candidates]
    return f"candidates[{names.index(name)}]" if name in names else f"engines.{name}"


def build_suite(entry: SuiteConfig, loaded: Loaded, where: str) -> Suite:
    """The suite that ``entry`` declares, with its data read and checked."""
    kind = load(entry.use, SUITES, what="suite", where=f"{where}.use")
    if not all(hasattr(kind, name) for name in ("Options", "ask", "grade")):
        raise ConfigError(f"{entry.use!r} is no suite: see Suite in harness/protocols.py", where=f"{where}.use", file=loaded.file)
    options = convert(entry.options, kind.Options, where=f"{where}.options", file=loaded.file)
    suite: Suite = kind(entry.name, options, seed=loaded.config.seed, folder=loaded.folder, where=where)
    return suite


def find_references(config: Config, prints: Mapping[str, Fingerprints]) -> dict[str, str]:
    """Candidate -> what its forgetting is measured against: declared, else its own base where that is a candidate too."""
    bases = [candidate for candidate in reversed(config.candidates) if not candidate.adapter]
    plain = {candidate.model: candidate.name for candidate in bases if candidate.model}
    weights = {hashed: candidate.name for candidate in bases if (hashed := prints[candidate.name].weights) is not None}
    found = {}
    for candidate in config.candidates:
        base = candidate.reference or (plain.get(candidate.model) if candidate.adapter else None)
        if base is None and candidate.adapter:
            base = weights.get(prints[candidate.name].weights or "")
        if base is None and not candidate.adapter:
            base = plain.get(_trained_from(candidate))
        if base is not None and base != candidate.name:
            found[candidate.name] = base
    return found


def _trained_from(candidate: Candidate) -> str:
    """The base of a full fine-tune, as its ``candidate.json`` names it."""
    for folder in (Path(candidate.model), Path(candidate.model).parent):
        if (folder / "candidate.json").is_file():
            return read_handover(folder).base
    return ""


def first_requests(suite: Suite, item: Item) -> tuple[Request, ...]:
    """What a suite asks first about an item, without asking it."""
    conversation = suite.ask(item)
    try:
        return tuple(next(conversation))
    except StopIteration:
        return ()
    finally:
        conversation.close()


def declared_hash(config: Config, pair: Pair) -> str:
    """Hash of a pair as the config declares it, blind to where folders lie on this machine and to policy (rules, bands)."""
    suite = next(entry for entry in config.suites if entry.name == pair[0])
    candidate = config.candidate(pair[1])
    named = suite.options.get("judge", "")
    judges = [config.engines[str(name)] for name in (named if isinstance(named, list) else [named]) if str(name) in config.engines]
    writer = config.engines.get(str(suite.options.get("writer", "")))
    return digest(
        {
            "suite": [suite.name, suite.use, suite.options],
            "candidate": [candidate.name, tail(candidate.model), tail(candidate.adapter), candidate.engine, candidate.revision,
                          _portable(candidate.options)],
            "judge": [_declared(judge) for judge in judges],
            "baseline": config.baseline if judges and not means_pin(config.baseline) else None,
            "seed": config.seed,
        }
        | ({"writer": _declared(writer)} if writer else {})
    )  # fmt: skip


def _declared(engine: EngineConfig) -> Any:
    return msgspec.to_builtins(
        msgspec.structs.replace(
            engine,
            model=tail(engine.model),
            adapter=tail(engine.adapter),
            options=_portable(engine.options),
            resources={},
            price=None,
        )
    )


def _portable(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tail(value) if name == "chat_template" else value for name, value in options.items()}


def tail(path: str | None) -> str:
    """The last two parts of a path: enough to tell checkpoints apart, the same after the files were copied elsewhere."""
    return "/".join(Path(path).parts[-2:]) if path else ""
