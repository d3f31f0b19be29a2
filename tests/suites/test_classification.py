"""Labels in free text, and what a confusion matrix says: equal to scikit-learn, answers outside the labels counted as wrong."""

from __future__ import annotations

import time
import warnings

import numpy as np
import pytest

from harness.errors import ConfigError
from harness.stats.corpus import aggregate
from suites.classification import Classification
from suites.labels import Labels

NAMES = Labels(
    ("positive", "negative", "very negative", "spam", "card_arrival"), {"positive": ("正面", "pos"), "negative": ("负面",)}
)


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("positive", "positive"),
        (" **Positive**. ", "positive"),
        ("ＰＯＳＩＴＩＶＥ", "positive"),
        ("It is positive.", "positive"),
        ("I think it's positive!\nBecause it is.", "positive"),
        ("Label: spam", "spam"),
        ("It may be positive or negative.\nLabel: spam", "spam"),
        ("positive or negative?\n\nNegative", "negative"),
        ("这是正面的评价", "positive"),
        ("情感：负面。", "negative"),
        ("very negative", "very negative"),
        ("It is very negative indeed", "very negative"),
        ("card arrival", "card_arrival"),
        ("`card-arrival`", "card_arrival"),
        ('{"label": "pos"}', "positive"),
        ("It's not negative, it's positive", "positive"),
        ("spam, spam, spam", "spam"),
        ("", None),
        ("neither", None),
        ("positively", None),
        ("nonspam", None),
        ("non-spam", None),
        ("not spam", None),
        ("This isn't spam", None),
        ("不是正面", None),
        ("不正面", None),
        ("positive and negative", None),
        ("positive\nnegative", None),
        ("Is it spam? positive?", None),
        ("neither positive nor negative", None),
    ],
)
def test_the_one_label_that_is_given(answer, label):
    assert NAMES.given(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("hardly positive", None),
        ("It's far from positive", None),
        ("I would not call it positive", None),
        ("This isn't a very positive text", None),
        ("I am not sure if it's positive", None),
        ("not positive or negative", None),
        ("I cannot decide between positive and negative", None),
        ("I can't tell if positive or a negative", None),
        ("不是正面或者负面", None),
        ("spam rather than positive or negative", "spam"),
        ("不怎么正面", None),
        ("不能算是正面", None),
        ("positive rather than negative", "positive"),
        ("positive, as opposed to negative", "positive"),
        ("not negative but positive", "positive"),
        ("not only positive", "positive"),
        ("没有负面，是正面", "positive"),
    ],
)
def test_a_label_that_is_denied_some_words_before_is_not_given(answer, label):
    assert NAMES.given(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("A", "good"),
        ("Answer: b", "bad"),
        ("The answer is (B).", "bad"),
        ("I choose B (bad)", "bad"),
        ("I choose A: bad", "bad"),  # what a line ends in comes first
        ("The answer is A, which is bad", None),
        ("This is a film that I saw", None),
        ("What a bad film", "bad"),
        ("I saw it", None),
    ],
)
def test_a_letter_is_no_article_and_no_pronoun(answer, label):
    assert Labels(("good", "bad", "so-so"), {"good": ("A",), "bad": ("B",), "so-so": ("I",)}).given(answer) == label


@pytest.mark.parametrize(
    ("answer", "label"),
    [
        ("-1", "-1"),
        ("Score: −1", "-1"),
        ("It is -1.", "-1"),
        ("(1)", "1"),
        ("- 1", "1"),
        ("+1", "1"),
        ("10", None),
        ("1.5", None),
        ("1,000", None),
        ("-1 or 1", None),
        ("0-1", None),
        ("-10", None),
    ],
)
def test_numbers_keep_their_sign_and_are_not_found_inside_others(answer, label):
    assert Labels(("-1", "0", "1"), {}).given(answer) == label


def test_words_of_other_scripts_are_whole_words_and_marks_of_a_name_stay():
    names = Labels(("положительный", "긍정", "C", "C#", "C++"), {})
    assert names.given("Это неположительный отзыв") is None
    assert names.given("Отзыв положительный!") == "положительный"
    assert names.given("긍정입니다") == "긍정"
    assert [names.given(text) for text in ("**C#**", "# C++", "It is C#.", "`C`")] == ["C#", "C++", "C#", "C"]


@pytest.mark.parametrize(
    "piece", [*"不正", "positive ", "not ", "not a ", "not positive or ", "n't ", "positive\n", "label:", "_-"]
)
def test_repeated_pieces_take_linear_time(piece):
    started = time.perf_counter()
    NAMES.given(piece * (200_000 // len(piece)))
    assert time.perf_counter() - started < 3


def _items(*targets):
    return [{"key": f"{at:03}", "prompt": "?", "target": target} for at, target in enumerate(targets)]


def test_scores_equal_scikit_learns_with_other_answers_as_wrong(jsonl, builds, grades):
    from sklearn.metrics import f1_score, matthews_corrcoef, precision_score, recall_score

    rng = np.random.default_rng(5)
    labels = ["ant", "bee", "cat"]
    right = [str(name) for name in rng.choice(labels, 60, p=[0.5, 0.3, 0.2])]
    given = [name if rng.random() < 0.6 else str(rng.choice([*labels, "other"])) for name in right]
    assert {"other"} < set(given)
    metrics = ("accuracy", "f1_macro", "f1_weighted", "mcc", "precision_macro", "recall_macro")
    suite = builds(Classification, items=str(jsonl(_items(*right))), metrics=metrics, by_label=True)
    samples = list(grades(suite, lambda request: given[int(request.item)]).values())

    def corpus(metric):
        table = np.array([sample.statistics[metric] for sample in samples])
        return aggregate(suite.metrics[metric].aggregator, table)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert corpus("f1_macro") == pytest.approx(f1_score(right, given, labels=labels, average="macro"))
        assert corpus("f1_weighted") == pytest.approx(f1_score(right, given, labels=labels, average="weighted"))
        for label, score in zip(labels, f1_score(right, given, labels=labels, average=None), strict=True):
            assert corpus(f"f1_{label}") == pytest.approx(score)
        for kind, theirs in (("precision", precision_score), ("recall", recall_score)):
            assert corpus(f"{kind}_macro") == pytest.approx(theirs(right, given, labels=labels, average="macro"))
        for label, score in zip(labels, precision_score(right, given, labels=labels, average=None), strict=True):
            assert corpus(f"precision_{label}") == pytest.approx(score)
        for label, score in zip(labels, recall_score(right, given, labels=labels, average=None), strict=True):
            found = [sample.scores[f"recall_{label}"] for sample in samples if f"recall_{label}" in sample.scores]
            assert len(found) == right.count(label)
            assert np.mean(found) == pytest.approx(score)
    assert corpus("mcc") == pytest.approx(matthews_corrcoef(right, given))
    assert [sample.scores["accuracy"] for sample in samples] == [float(a == b) for a, b in zip(right, given, strict=True)]
    assert [sample.flags for sample in samples] == [("unparsable",) if name == "other" else () for name in given]


def test_a_worked_example(jsonl, builds, grades):
    """a a b b answered a b b ?: F1 of a: 2/3; of b: 2·1/(2+2) = 1/2; their mean 7/12."""
    suite = builds(Classification, items=str(jsonl(_items("a", "a", "b", "b"))), metrics=("f1_macro",))
    samples = grades(suite, lambda request: ["a", "b", "b", "?"][int(request.item)]).values()
    table = np.array([sample.statistics["f1_macro"] for sample in samples])
    assert table.sum(axis=0).tolist() == [1, 1, 0, 0, 1, 1, 0, 0, 0]
    assert aggregate("f1_macro_labels", table) == pytest.approx(7 / 12)
    assert aggregate("f1_macro", table) == pytest.approx(7 / 18)  # with "no label" as a class: not what is meant
    assert [sample.scores["f1_macro"] for sample in samples] == [1, 0, 1, 0]
    assert [sample.extracted for sample in samples] == [("a",), ("b",), ("b",), (None,)]


def test_precision_and_recall_are_worked_out_by_hand(jsonl, builds, grades):
    """a a b b answered a b b ?: precision of a 1/1, of b 1/2, their mean 3/4; recall of a 1/2, of b 1/2."""
    metrics = ("precision_macro", "recall_macro")
    suite = builds(Classification, items=str(jsonl(_items("a", "a", "b", "b"))), metrics=metrics, by_label=True)
    samples = list(grades(suite, lambda request: ["a", "b", "b", "?"][int(request.item)]).values())
    corpus = {
        name: aggregate(suite.metrics[name].aggregator, np.array([one.statistics[name] for one in samples])) for name in metrics
    }
    assert corpus == pytest.approx({"precision_macro": 3 / 4, "recall_macro": 1 / 2})
    assert [sample.scores.get("recall_a") for sample in samples] == [1, 0, None, None]
    assert [sample.scores.get("recall_b") for sample in samples] == [None, None, 1, 0]
    assert [sample.statistics["precision_b"] for sample in samples] == [[0, 0], [0, 1], [1, 1], [0, 0]]
    for item, sample in zip(suite.items(), samples, strict=True):
        assert set(suite.metrics_of(item)) == set(sample.scores)


def test_a_label_has_scores_in_the_tasks_in_which_it_occurs(jsonl, builds, grades):
    rows = [
        {"key": "a", "task": "one", "prompt": "?", "target": "good"},
        {"key": "b", "task": "two", "prompt": "?", "target": "bad"},
    ]
    suite = builds(Classification, items=str(jsonl(rows)), metrics=("accuracy",), by_label=True)
    samples = grades(suite, lambda _: "good")
    assert set(samples["a"].scores) == {"accuracy", "f1_good", "precision_good", "recall_good"}
    assert set(samples["b"].scores) == {"accuracy", "f1_bad", "precision_bad", "recall_bad"}
    assert all(set(suite.metrics_of(item)) == set(samples[item.key].scores) for item in suite.items())


def test_draws_count_once_per_item(jsonl, builds, grades):
    suite = builds(Classification, items=str(jsonl(_items("a", "b"))), draws=2, temperature=1.0)
    sample = grades(suite, lambda request: "a" if request.draw else "b")["000"]
    assert sample.scores["accuracy"] == 0.5
    assert sample.draws["f1_macro"] == [0.0, 1.0]
    assert sum(sample.statistics["f1_macro"]) == 1.0


def test_the_shipped_items_have_both_languages_and_are_answered_in_either(builds, grades):
    aliases = {"positive": ("正面",), "negative": ("负面",), "neutral": ("中性",)}
    suite = builds(Classification, items="suites:classification.jsonl", aliases=aliases)
    right = {item.key: item.target for item in suite.items()}
    assert len(right) == 24

    def reply(request):
        label = right[request.item]
        return f"**{label.title()}**" if "-en-" in request.item else f"这是{aliases[label][0]}的。"

    samples = grades(suite, reply)
    assert all(sample.scores["accuracy"] == 1.0 for sample in samples.values())
    assert {sample.task for sample in samples.values()} == {"sentiment_en", "sentiment_zh"}


@pytest.mark.parametrize(
    ("targets", "options", "says"),
    [
        (("a", 1), {}, r"line 2 \(item '001'\): target is 1, no label"),
        (("a", ["a", "b"]), {}, "no label"),
        (("a", "bee"), {"labels": ("a", "been")}, "Did you mean 'been'"),
        (("a", "a"), {}, "two or more"),
        (("a", "b"), {"labels": ("a", "b", "a")}, "two or more different"),
        (("a", "A"), {}, "every name must belong to one label"),
        (("a", "..."), {}, "nothing to read it by"),
        (("a", "b"), {"aliases": {"c": ("x",)}}, "is no label"),
        (("a", "b"), {"aliases": {"a": ("B",)}}, "is a name of the label"),
        (("a", "b/c"), {"by_label": True}, "without any of"),
        (("a", "[b]"), {"by_label": True}, "without any of"),
        (("a", "macro"), {"by_label": True}, "as there is one already"),
        (tuple(map(str, range(60))), {}, "of at most 50"),
        (("a", "b"), {"metrics": ()}, "at least one"),
        (("a", "b"), {"metrics": ("f1_a",)}, r"found 'f1_a'.*by_label = true, beside 'metrics'"),
        (("a", "b"), {"metrics": ("f1_marco",)}, "Did you mean 'f1_macro'"),
        (("a", "b"), {"after": ""}, "empty marker"),
        (("a", None), {}, "no target"),
    ],
)
def test_bad_input_is_named_before_anything_is_asked(jsonl, builds, targets, options, says):
    with pytest.raises(ConfigError, match=says):
        builds(Classification, items=str(jsonl(_items(*targets))), **options)


def test_many_labels_are_scored_by_accuracy_and_a_marker_leads_to_the_label(jsonl, builds, grades):
    rows = _items(*(f"intent {at}" for at in range(60)))
    suite = builds(Classification, items=str(jsonl(rows)), metrics=("accuracy",), after="Intent:")
    samples = grades(suite, lambda request: f"Not intent 3. Intent: intent {int(request.item)}")
    assert all(sample.scores == {"accuracy": 1.0} for sample in samples.values())


def test_hostile_answers_are_wrong_and_flagged(jsonl, builds, grades, hostiles):
    suite = builds(Classification, items=str(jsonl(_items(*("yes" if at % 2 else "no" for at in range(len(hostiles)))))))
    samples = grades(suite, lambda request: hostiles[int(request.item)]).values()
    assert all(sample.scores["accuracy"] == 0 and sample.flags == ("unparsable",) for sample in samples)
