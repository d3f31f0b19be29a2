"""Labels: does the model put each text into the right class? Accuracy; F1, MCC, precision and recall over the confusion matrix."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.errors import ConfigError
from harness.fingerprint import digest
from harness.plugins import did_you_mean
from harness.records import Completion, Flag, Item, Metric
from suites.asking import UNNAMED, Asking, ItemOptions, Value
from suites.extraction import after_marker
from suites.items import read_items
from suites.labelling import Labeller, Labelling
from suites.labels import Labels
from suites.rows import read_rows, unit_of
from suites.shots import answer_of, reading_form

METRICS: Mapping[str, Metric] = {
    "accuracy": Metric(kind="binary"),
    "f1_macro": Metric(kind="corpus", aggregator="f1_macro_labels"),
    "f1_weighted": Metric(kind="corpus", aggregator="f1_weighted"),
    "mcc": Metric(kind="corpus", aggregator="mcc"),
    "precision_macro": Metric(kind="corpus", aggregator="precision_macro_labels"),
    "recall_macro": Metric(kind="corpus", aggregator="recall_macro"),
}
BY_LABEL: Mapping[str, Metric] = {
    "f1": Metric(kind="corpus", aggregator="f1"),
    "precision": Metric(kind="ratio", aggregator="ratio", range=(0.0, 1.0)),
    "recall": Metric(kind="binary"),
}
"""What there is of each label, under ``NAME_LABEL``."""
MOST = 50
"""Labels of which a confusion matrix is kept per item; it grows with their square."""
MOST_BY_LABEL = 20
"""Labels for which each may have a metric of its own; more would bury what is gated."""


class ClassificationOptions(ItemOptions, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """``items``: prompted-style rows whose ``target`` is a label. ``metrics``: the first is primary.

    ``labels``: all that there are; else those that occur as targets. ``aliases``: label -> other names that answers may use.
    ``after``: the label is looked for in what stands after the last such marker. ``by_label``: besides, ``f1_LABEL``,
    ``precision_LABEL`` and ``recall_LABEL`` of each label. ``classifier``: a model that says which label an answer has, in place of
    its naming one.
    """

    max_tokens: int = 64
    metrics: tuple[str, ...] = ("accuracy", "f1_macro", "f1_weighted", "mcc")
    labels: tuple[str, ...] = ()
    aliases: dict[str, tuple[str, ...]] = {}
    after: str | None = None
    by_label: bool = False
    classifier: Labeller | None = None

    def resolved(self) -> dict[str, object]:
        """Without the classifier's path: what it holds is hashed (``Classification.fingerprint``)."""
        return {name: value for name, value in super().resolved().items() if name != "classifier"}


class Classification(Asking):
    """An answer that gives no label, or several, is wrong and flagged; it counts as a class of its own that is never right."""

    Options = ClassificationOptions
    version = "2"
    watched: tuple[Flag, ...] = ("truncated", "empty", "unparsable")
    options: ClassificationOptions

    def read(self, path: Path) -> list[Item]:
        chosen = self.options.metrics
        for name in chosen:
            if name not in METRICS:
                raise ConfigError(f"found {name!r}. {_of_label(name)}{did_you_mean(name, METRICS)}", where=f"{self.place}.metrics")
        if not chosen or len(set(chosen)) != len(chosen):
            raise ConfigError(f"found {list(chosen)!r}, expected different metrics, at least one", where=f"{self.place}.metrics")
        shots = self.options.shots
        if self.options.classifier is not None and shots is not None and shots.answer is None:
            raise ConfigError(
                "an example would answer with its label, and a classifier reads answers that name none; say what it answers: "
                "answer = '{{ … }}'",
                where=f"{self.place}.shots",
            )
        if self.options.after == "":
            raise ConfigError("an empty marker stands everywhere; leave it out or name a text", where=f"{self.place}.after")
        items = read_items(path, where=f"{self.place}.items", needs_target=True)
        self._check_targets(path, items)
        self.labels = self._declared(items)
        self._by_task: dict[str, set[str]] = {}
        for item in items:
            self._by_task.setdefault(item.task, set()).add(item.target)
        try:
            self._names = Labels(self.labels, self.options.aliases)
        except ValueError as error:
            raise ConfigError(f"{error}; every name must belong to one label", where=f"{self.place}.labels") from error
        own = self.options.classifier
        place = f"{self.place}.classifier"
        self._reads = None if own is None else Labelling(own, self.labels, self._names, folder=self.folder, where=place)
        return items

    def fingerprint(self) -> str:
        classifier = None if self._reads is None else self._reads.fingerprint()
        return digest({"suite": super().fingerprint(), "classifier": classifier})

    def _check_targets(self, path: Path, items: Sequence[Item]) -> None:
        """ConfigError for a target that is no label."""
        where, own = f"{self.place}.items", self.options.labels
        for row, item in zip(read_rows(path, where=where), items, strict=True):
            if not isinstance(item.target, str) or (own and item.target not in own):
                said = did_you_mean(str(item.target), own) if own else f"A label is a text, such as {str(item.target)!r}"
                place = f"{path}, {unit_of(path)} {row.line} (item {item.key!r})"
                raise ConfigError(f"{place}: target is {item.target!r}, no label. {said}", where=where)

    def _declared(self, items: Sequence[Item]) -> tuple[str, ...]:
        """The labels, those of the targets in alphabetical order; ConfigError for an alias or a set that cannot be."""
        own = self.options.labels
        labels = own or tuple(sorted({str(item.target) for item in items}))
        if len(labels) < 2 or len(set(labels)) != len(labels):
            raise ConfigError(f"the labels are {list(labels)!r}; expected two or more different ones", where=f"{self.place}.labels")
        if len(labels) > MOST and set(self.options.metrics) != {"accuracy"}:
            raise ConfigError(
                f"{len(labels)} labels; a confusion matrix is kept per item, of at most {MOST}; use metrics = ['accuracy']",
                where=f"{self.place}.metrics",
            )
        for label in self.options.aliases:
            if label not in labels:
                raise ConfigError(
                    f"aliases of {label!r}, which is no label. {did_you_mean(label, labels)}", where=f"{self.place}.aliases"
                )
        if self.options.by_label and (len(labels) > MOST_BY_LABEL or any(set(UNNAMED) & set(label) for label in labels)):
            raise ConfigError(
                f"by_label names metrics after each of at most {MOST_BY_LABEL} labels without any of {UNNAMED}; found "
                f"{len(labels)}; leave it out",
                where=f"{self.place}.by_label",
            )
        if self.options.by_label and (taken := {f"{name}_{label}" for name in BY_LABEL for label in labels} & METRICS.keys()):
            raise ConfigError(
                f"by_label would name a metric {min(taken)!r}, as there is one already; rename the label, or leave by_label out",
                where=f"{self.place}.by_label",
            )
        return tuple(labels)

    def answer_of(self, fields: Mapping[str, Any]) -> Any:
        return answer_of(fields.get("target"), (), form=reading_form(self.options.after), where=f"{self.place}.shots")

    def offered(self) -> Mapping[str, Metric]:
        own: dict[str, Metric] = {name: METRICS[name] for name in self.options.metrics}
        by_label = self.labels if self.options.by_label else ()
        return {**own, **{f"{name}_{label}": metric for label in by_label for name, metric in BY_LABEL.items()}}

    def score(self, item: Item, completion: Completion) -> Mapping[str, Value]:
        given = self._given(completion)
        matrix = self._matrix(item.target, given) if set(self.options.metrics) != {"accuracy"} else []
        scores: dict[str, Value] = {**dict.fromkeys(self.options.metrics, matrix), "accuracy": float(given == item.target)}
        if self.options.by_label:
            scores[f"recall_{item.target}"] = scores["accuracy"]
            for label in self._by_task[item.task]:
                both, guess, truth = float(label == given == item.target), float(label == given), float(label == item.target)
                scores[f"f1_{label}"] = [both, guess - both, truth - both, (1 - truth) * (1 - guess)]
                scores[f"precision_{label}"] = [both, guess]
        return scores

    def metrics_of(self, item: Item) -> Collection[str]:
        """A label has scores in the tasks in which it occurs, its recall on the items whose label it is."""
        if not self.options.by_label:
            return self.metrics.keys()
        own = {f"{name}_{label}" for name in ("f1", "precision") for label in self._by_task[item.task]}
        return [metric for metric in self.metrics if metric in METRICS or metric in own or metric == f"recall_{item.target}"]

    def flags(self, item: Item, completions: Sequence[Completion]) -> tuple[Flag, ...]:  # noqa: ARG002
        return ("unparsable",) if any(self._given(completion) is None for completion in completions) else ()

    def extracted(self, completions: Sequence[Completion]) -> tuple[str | None, ...]:
        """The label that each answer gives."""
        return tuple(self._given(completion) for completion in completions)

    def _matrix(self, right: str, given: str | None) -> list[float]:
        """The confusion matrix of one answer; the last row and column are of what is no label."""
        size = len(self.labels) + 1
        place = self.labels.index(right) * size + (size - 1 if given is None else self.labels.index(given))
        return [float(cell == place) for cell in range(size * size)]

    def _given(self, completion: Completion) -> str | None:
        marker = self.options.after
        answer = completion.text if marker is None else after_marker(completion.text, marker)
        return None if answer is None else (self._reads or self._names).given(answer)


def _of_label(name: str) -> str:
    """Where the metric is to be had that somebody looked for among those of all labels."""
    what, _, label = name.partition("_")
    if what not in BY_LABEL or not label:
        return ""
    named = ", ".join(f"{each}_LABEL" for each in BY_LABEL)
    return f"What there is of one label ({named}) comes with by_label = true, beside 'metrics': leave it out of them. "
