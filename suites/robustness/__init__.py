"""Do answers stay right when the question is disturbed? Each item of a prompted-style file is asked clean, once, and once under
each disturbance that applies to it; the drop is taken inside the item."""

from __future__ import annotations

import string
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import msgspec

from harness.errors import ConfigError
from harness.protocols import Conversation
from harness.records import Answer, Completion, Item, Metric, Sample
from suites.calls import json_equal
from suites.decoding import generations
from suites.extraction import last_json, last_number
from suites.items import beside_calls, keys_of, messages_of, readable
from suites.prompted import Prompted, PromptedOptions
from suites.robustness.disturbances import ALL, Disturbance, disturbed, parts_of
from suites.robustness.protected import Question
from suites.robustness.surroundings import check_distractors, check_row, check_templates
from suites.rows import read_rows, unit_of
from suites.scoring import Score, close, normalise


class RobustnessOptions(PromptedOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: questions as in ``prompted``, with its other options and one ``score``; rows may have ``paraphrases`` (texts),
    ``translations`` (texts by language) and ``keep`` (texts that no disturbance may change).

    ``disturbances``: left out, all that apply to at least one item, each alone; ``typos+case`` means both at once. ``templates``:
    texts around ``{question}``, and ``distractors``: sentences before it, in place of ours.
    """

    score: Score = "exact_match"
    disturbances: tuple[str, ...] | None = None
    templates: tuple[str, ...] = ()
    distractors: tuple[str, ...] = ()


class Robustness(Prompted):
    """``worst``: is the answer right clean and under every disturbance? Each disturbance has a score under its name, and the drop
    against the clean question as ``drop_NAME``."""

    Options: ClassVar[type[RobustnessOptions]] = RobustnessOptions
    version = "2"
    options: RobustnessOptions

    def __init__(self, name: str, options: RobustnessOptions, *, seed: int, folder: Path, where: str) -> None:
        _check(options, where=f"{where}.options")
        super().__init__(name, options, seed=seed, folder=folder, where=where)
        self._variants = {item.key: self._variants_of(item) for item in self._items}
        self._applied = self._counted()
        self._items = [
            msgspec.structs.replace(item, data={**item.data, "disturbed": self._variants[item.key]}) for item in self._items
        ]
        self._variant_graders = {
            item.key: {
                name: self._grader(self.scores[0], variant["target"], f"item {item.key!r} ({name})", self.place)
                for name, variant in self._variants[item.key].items()
            }
            for item in self._items
        }
        if options.extract == "choice":
            targets = [variant["target"] for found in self._variants.values() for variant in found.values()]
            letters = {letter for target in targets for letter in (target if isinstance(target, list) else [target])}
            last = string.ascii_uppercase.index(max({*letters, self._letters[-1]}))
            self._letters = string.ascii_uppercase[: last + 1]
        self.metrics = _metrics(self._applied)

    def read(self, path: Path) -> list[Item]:
        where = f"{self.place}.items"
        items = super().read(path)
        rows = read_rows(path, where=where)
        for row in rows:
            check_row(row.fields, place=f"{path}, {unit_of(path)} {row.line}", where=where)
        self._rows = {key: row.fields for key, row in zip(keys_of(rows, path=path, where=where), rows, strict=True)}
        self._own = {item.key: _last(item)["content"] for item in items}
        for item in items:
            if "turns" in item.data:
                raise ConfigError(
                    f"{path}, item {item.key!r} has several turns with the model's own answers between them, and a disturbed "
                    "question would have other answers before it; give 'replies' and set history = 'gold'",
                    where=where,
                )
        return items

    def offered(self) -> Mapping[str, Metric]:
        return {"worst": Metric(kind="binary")}

    @property
    def remarks(self) -> tuple[str, ...]:
        """Which items a disturbance could not be applied to."""
        short = [f"{name} {count} of {len(self._items)}" for name, count in self._applied.items() if count < len(self._items)]
        return (f"{self.name} scores a disturbance on the items that it applies to: {', '.join(short)}",) if short else ()

    def metrics_of(self, item: Item) -> Collection[str]:
        """The clean score, and what comes of the disturbances that apply to the item."""
        applied = item.data["disturbed"]
        compared = ("worst", "drop", "changed") if applied else ()
        own = {"clean", *compared, *applied, *(f"drop_{name}" for name in applied)}
        return [metric for metric in self.metrics if metric in own]

    def ask(self, item: Item) -> Conversation[Answer]:
        """The clean question first, then the disturbed ones in the order of ``disturbances``: one answer each."""
        turns = [item.data["messages"], *(variant["messages"] for variant in item.data["disturbed"].values())]
        asked = [msgspec.structs.replace(item, data={"messages": messages}) for messages in turns]
        histories = [messages_of(one, system=self.options.system) for one in asked]
        completions = yield generations(item, histories, self.options, seed=self.seed)
        return Answer(key=item.key, completions=tuple(completions))

    def _sample(self, item: Item, answer: Answer) -> Sample:
        completions = answer.completions
        clean, *others = completions
        variants = item.data["disturbed"]
        right = self._graders[item.key][self.scores[0]](clean)
        found = {name: self._variant_graders[item.key][name](said) for name, said in zip(variants, others, strict=True)}
        values = {name: float(bool(value)) for name, value in found.items()}
        scores = {"clean": float(bool(right)), **values}
        if values:
            scores |= {f"drop_{name}": scores["clean"] - value for name, value in values.items()}
            scores["drop"] = scores["clean"] - sum(values.values()) / len(values)
            scores["worst"] = min(scores["clean"], *values.values())
            alike = [
                bool(right and found[name]) or self._same(clean, said, variants[name]["back"])
                for name, said in zip(variants, others, strict=True)
            ]
            scores["changed"] = alike.count(False) / len(alike)
        asked = [readable(item, system=self.options.system)]
        asked += [f"[{name}]\n{variant['messages'][_place(variant['messages'])]['content']}" for name, variant in variants.items()]
        return Sample(
            key=item.key,
            task=item.task,
            prompt="\n\n".join(asked),
            target=item.target,
            outputs=tuple(beside_calls(completion.text, completion.tool_calls) for completion in completions),
            cluster=item.cluster,
            slices=item.slices,
            weight=item.weight,
            scores=scores,
            flags=("unparsable",) if None in (right, *found.values()) else (),
        )

    def _same(self, clean: Completion, other: Completion, back: Mapping[str, str]) -> bool:
        """Do both answers read the same? Letters of moved choices count as what they stood for."""
        if self.scores[0] == "tool_call":
            return clean.tool_calls == other.tool_calls and (bool(clean.tool_calls) or clean.text == other.text)
        one, two = self._answer(clean.text), self._answer(other.text)
        if one is None or two is None:
            return one is two
        if self.scores[0] == "numeric":
            number, its = last_number(one), last_number(two)
            return number is its if number is None or its is None else close(number, its, self.options.tolerance)
        if self.scores[0] == "json_equal":
            value, other_value = last_json(one), last_json(two)
            return value is other_value if value is None or other_value is None else json_equal(value.value, other_value.value)
        steps = self.options.normalise
        turned = {normalise(now, steps): normalise(before, steps) for now, before in back.items()}
        said = normalise(two, steps)
        return normalise(one, steps) == turned.get(said, said)

    def _variants_of(self, item: Item) -> dict[str, dict[str, Any]]:
        """What is asked under each disturbance that applies: ``messages``, ``target``, ``back`` (see ``Disturbed``)."""
        own, turns = self._own[item.key], item.data["messages"]
        place = _place(turns)
        before = turns[place]["content"].removesuffix(own)  # examples that stand before the question as text
        question = Question(own, item.target, self._rows.get(item.key, {}))
        found = {}
        for name, parts in _chosen(self.options, where=self.place).items():
            if "option_order" in parts and self.scores[0] != "exact_match":
                continue
            made = disturbed(
                parts,
                question,
                seed=self.seed,
                key=item.key,
                templates=self.options.templates,
                distractors=self.options.distractors,
            )
            if made is not None:
                messages = [*turns[:place], {**turns[place], "content": before + made.text}, *turns[place + 1 :]]
                found[name] = {"messages": messages, "target": made.target, "back": dict(made.back)}
        return found

    def _counted(self) -> dict[str, int]:
        """How many items each disturbance applies to. ConfigError where one that was asked for applies to none."""
        chosen = _chosen(self.options, where=self.place)
        counts = {name: sum(name in found for found in self._variants.values()) for name in chosen}
        for name, count in counts.items():
            if self.options.disturbances is not None and not count:
                raise ConfigError(
                    f"{name!r} applies to none of the items: {'; and '.join(_NEEDS[part] for part in chosen[name])}",
                    where=f"{self.place}.disturbances",
                )
        return {name: count for name, count in counts.items() if count}


_NEEDS: Mapping[Disturbance, str] = {
    "typos": "it needs words of small letters that neither the answer nor a quotation, number or code hangs on",
    "case": "it needs letters that neither the answer nor a quotation, number or code hangs on",
    "spacing": "it needs several words beside quotations, numbers, code and what the answer hangs on",
    "punctuation": "it needs sentence marks beside quotations, numbers and code",
    "paraphrase": "give rows 'paraphrases', a list of other wordings",
    "template": "give 'templates' that change it",
    "distractor": "every sentence holds an answer; give other 'distractors'",
    "option_order": "it needs score = 'exact_match', a letter as target, and choices in lines of their own (A. … B. …) that do not "
    "speak of each other",
    "language": "give rows 'translations', texts by language",
}


def _metrics(applied: Mapping[str, int]) -> dict[str, Metric]:
    drop = Metric(kind="real", direction="lower", range=(-1.0, 1.0), falls_from="clean")
    return {
        "worst": Metric(kind="binary"),
        "clean": Metric(kind="binary"),
        "drop": drop,
        "changed": Metric(kind="bounded", direction="lower"),
        **{name: Metric(kind="binary") for name in applied},
        **{f"drop_{name}": drop for name in applied},
    }


def _check(options: RobustnessOptions, *, where: str) -> None:
    """ConfigError for options that cannot be meant, before anything is read."""
    chosen, named = _chosen(options, where=where), options.disturbances
    if named is not None and (not named or len(set(chosen.values())) < len(named)):
        raise ConfigError(
            f"found {list(named)!r}, expected one disturbance, or several different ones", where=f"{where}.disturbances"
        )
    for field, name in (("templates", "template"), ("distractors", "distractor")):
        if getattr(options, field) and not any(name in parts for parts in chosen.values()):
            raise ConfigError(
                f"they have no effect: {name!r} is not among the disturbances; add it, or leave them out", where=f"{where}.{field}"
            )
    if options.draws > 1:
        raise ConfigError("each wording is asked once; a drop is no mean over draws. Leave draws out", where=f"{where}.draws")
    check_templates(options.templates, where=f"{where}.templates")
    check_distractors(options.distractors, where=f"{where}.distractors")


def _chosen(options: RobustnessOptions, *, where: str) -> dict[str, tuple[Disturbance, ...]]:
    """Each wording beside the clean one, by its name: the disturbances that it has."""
    names = ALL if options.disturbances is None else options.disturbances
    return {name: parts_of(name, where=f"{where}.disturbances") for name in names}


def _place(turns: Sequence[Mapping[str, Any]]) -> int:
    """Where the last turn of the user stands."""
    return max(index for index, turn in enumerate(turns) if turn["role"] == "user")


def _last(item: Item) -> Mapping[str, Any]:
    turn: Mapping[str, Any] = item.data["messages"][_place(item.data["messages"])]
    return turn
