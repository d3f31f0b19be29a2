"""Whatever a file holds: statements, or one sentence. Each statement has one fate, and no row of a rater counts twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import UsageError
from reports.votes.reading import read_file
from reports.votes.sorting import sort_votes
from reports.votes.statement import Statement
from reports.votes.vote import Kept
from tests.reports.votes.ballots import key_of

KEY = key_of()
NAMES = st.sampled_from(
    [
        "kind", "format", "rater", "votes", "review_id", "choice", "ratings", "reasons", "seconds", "package", "commitment", "data",
        "annotations", "completed_by", "result", "from_name", "value", "choices", "was_cancelled", "drafts", "annotation_id", "id",
        "fields", "responses", "preference", "preference.responses", "preference.responses.users", "preference.responses.status",
        "user_id", "instance_id_to_label_to_value", "label_annotations", "schema", "name", "selection", "justification",
        "lead_time", "behavioral_data", "instance_id_to_behavioral_data", "metadata", "sitting", "saved", "answer1", "answer2",
        "email",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    ["sftgate-votes", "r001", "left", "tie", "1_better", "ana", "", "x", '{"reasons": 3}', "[1", "2026-11-20T10:00:00Z"]
)
LEAVES = st.one_of(st.none(), st.booleans(), st.integers(-2, 7), st.floats(allow_nan=False), WORDS, st.just(KEY.package))
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=6), max_leaves=14)
DICTS = st.dictionaries(NAMES, VALUES, max_size=6)
RESULTS = st.lists(st.fixed_dictionaries({"from_name": WORDS | NAMES, "value": VALUES}), max_size=3)
ANNOTATIONS = st.lists(st.fixed_dictionaries({"completed_by": VALUES, "result": RESULTS | VALUES}), max_size=3)
SHAPES = st.one_of(
    VALUES,
    st.fixed_dictionaries({"kind": st.just("sftgate-votes"), "format": st.just(2), "rater": WORDS, "votes": st.lists(DICTS)}),
    st.lists(st.fixed_dictionaries({"data": DICTS, "annotations": ANNOTATIONS | VALUES, "drafts": ANNOTATIONS | VALUES})),
    st.lists(st.fixed_dictionaries({"annotation_id": VALUES, "preference": VALUES, "reasons": VALUES, "rate1_1": VALUES})),
    st.lists(st.fixed_dictionaries({"id": VALUES, "responses": st.dictionaries(NAMES, st.lists(DICTS) | VALUES)})),
    st.lists(st.fixed_dictionaries({"preference.responses": VALUES, "preference.responses.users": VALUES, "fields": VALUES})),
    st.fixed_dictionaries({"instance_id_to_label_to_value": VALUES, "instance_id_to_behavioral_data": VALUES}),
    st.lists(st.fixed_dictionaries({"label_annotations": st.dictionaries(NAMES, DICTS) | VALUES, "behavioral_data": VALUES})),
)


@given(SHAPES, st.sampled_from([".json", ".jsonl", ".csv"]))
@settings(max_examples=25, deadline=None)
def test_any_file_gives_statements_or_one_sentence(content: object, suffix: str) -> None:
    path = Path("ana/votes").with_suffix(suffix)
    try:
        found = read_file(path, json.dumps(content).encode())
    except UsageError as error:
        said = str(error)
        found = []
    else:
        said = str(path)
    assert said.startswith(str(path))
    assert all(isinstance(each, Statement) for each in found)
    kept = [Kept(file="f", imported="", rater=each.rater, statement=each) for each in found]
    _one_fate_each(kept)


SAID = st.builds(
    Statement,
    source=st.sampled_from(["a.json", "b.json"]),
    place=st.just("vote 1"),
    form=st.just("page"),
    rater=st.sampled_from(["ana", "Ana", " ANA", "bo"]),
    review_id=st.sampled_from(["r001", "r002", "r009"]),
    said=st.just("left"),
    choice=st.sampled_from(["left", "right", "tie", None]),
    state=st.sampled_from(["given", "given", "skipped", "draft"]),
    sitting=st.sampled_from(["", "s1", "s2"]),
    when=st.sampled_from(["", "2026-11-20T10:00:00Z", "2026-11-20T11:00:00+00:00", "2026-11-20T12:00:00", "yesterday"]),
    package=st.sampled_from(["", KEY.package, "other"]),
)


@given(st.lists(SAID, max_size=12))
@settings(max_examples=60, deadline=None)
def test_every_statement_has_one_fate_and_no_row_counts_twice(said: list[Statement]) -> None:
    _one_fate_each([Kept(file="f", imported="", rater=each.rater, statement=each) for each in said])


def _one_fate_each(kept: list[Kept]) -> None:
    found = sort_votes(kept, KEY)
    assert [line.statement for line in found.kept] == [line.statement for line in kept]
    counts = Counter((vote.review_id, vote.rater.casefold().strip()) for vote in found.votes)
    assert not counts or max(counts.values()) == 1
    assert len(found.votes) == sum(line.fate == "counted" for line in found.kept)
    assert sort_votes(found.kept, KEY) == found, "sorting what is sorted changes nothing"
