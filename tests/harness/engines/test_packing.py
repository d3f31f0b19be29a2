"""Planning: whatever shares a row, each token sees its own text and nothing else, and every pair is scored once."""

from __future__ import annotations

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from harness.engines.packing import SHORTEST_PREFIX, Batch, Limits, common, layout, plan
from harness.engines.tokens import Pair

EXAMPLES = list(range(100, 100 + 2 * SHORTEST_PREFIX))
"""A beginning long enough to be computed once."""

token = st.integers(0, 2)
short = st.lists(token, min_size=1, max_size=6)
context = st.one_of(short, short.map(lambda tail: EXAMPLES + tail), short.map(lambda tail: EXAMPLES[:40] + tail))
pairs_of_few_tokens = st.lists(st.builds(Pair, context, st.lists(token, min_size=1, max_size=5)), min_size=1, max_size=14)
limits = st.builds(Limits, st.integers(1, 200), st.sampled_from([1, 16, 512]), st.booleans(), st.sampled_from([None, 6, 80]))


def _sequence(pair: Pair) -> list[int]:
    return pair.context + pair.continuation[:-1]


def _check(batch: Batch, pairs: list[Pair]) -> list[int]:
    """The numbers of a batch's pairs, after reading every sequence back through the mask."""
    arrays = layout(batch, pairs)
    numbers = [index for row in batch.rows for index in row.pairs]
    width, skip = arrays.ids.shape[1], len(batch.prefix)
    visible = arrays.visible
    if visible is None:
        assert not skip
        visible = np.broadcast_to(np.tri(width, dtype=bool), (len(batch.rows), width, width))
    assert visible.any(-1).all(), "a row of the mask is empty: its softmax would not be a number"
    start = 0
    for index in numbers:
        pair = pairs[index]
        for offset, target in enumerate(pair.continuation):
            row, place = divmod(int(arrays.heads[start]), width)
            seen = np.flatnonzero(visible[row, place])
            text = {int(at): batch.prefix[at] for at in seen if at < skip}
            text |= {int(arrays.positions[row, at - skip]): int(arrays.ids[row, at - skip]) for at in seen if at >= skip}
            assert len(text) == len(seen), "two tokens at one position see one another"
            wanted = pair.context + pair.continuation[:offset]
            assert [text[position] for position in range(len(wanted))] == wanted
            assert len(text) == len(wanted)
            assert arrays.targets[start] == target
            start += 1
    assert start == len(arrays.heads) == len(arrays.targets)
    return numbers


@settings(deadline=None, max_examples=300)
@example(
    [Pair([0], [0, 0]), Pair([0], [1, 0, 0]), Pair([0, 0, 0], [0] * 5)], Limits(14, 16, True, 6), []
)  # a long text beside a tree
@given(pairs_of_few_tokens, limits, st.lists(st.sampled_from([tuple(EXAMPLES), tuple(EXAMPLES[:36]), (0, 1)]), max_size=3))
def test_each_scored_token_sees_its_own_text_alone(pairs: list[Pair], limits: Limits, known: list[tuple[int, ...]]) -> None:
    batches = plan(pairs, limits, known)
    numbers = [index for batch in batches for index in _check(batch, pairs)]
    assert sorted(numbers) == list(range(len(pairs)))
    for batch in batches:
        width = max(row.length for row in batch.rows) - len(batch.prefix)
        assert len(batch.rows) == 1 or len(batch.rows) * width <= limits.tokens
        long = limits.window is not None and any(len(_sequence(pairs[i])) > limits.window for row in batch.rows for i in row.pairs)
        if not limits.tree or long:
            assert layout(batch, pairs).visible is None


@settings(deadline=None, max_examples=200)
@given(short, short)
def test_common_beginning(left: list[int], right: list[int]) -> None:
    length = common(left, right)
    assert left[:length] == right[:length]
    assert length == min(len(left), len(right)) or left[length] != right[length]


def _computed(batches: list[Batch]) -> int:
    return sum(row.length - len(batch.prefix) for batch in batches for row in batch.rows) + sum(
        len(prefix) for prefix in {batch.prefix for batch in batches}
    )


def test_choices_share_their_context() -> None:
    question = list(range(150))
    pairs = [Pair(question, [200 + choice, 300, 301]) for choice in range(4)]
    assert _computed(plan(pairs, Limits(1024, 512))) == 150 + 4 * 2
    assert _computed(plan(pairs, Limits(1024, 512, tree=False))) == 4 * 152


def test_single_token_choices_are_one_sequence_even_where_nothing_may_branch() -> None:
    pairs = [Pair(list(range(150)), [choice]) for choice in (5, 6, 7, 5)]
    for tree in (True, False):
        (batch,) = plan(pairs, Limits(1024, 512, tree=tree))
        assert _computed([batch]) == 150
        assert layout(batch, pairs).visible is None


def test_examples_of_a_task_are_computed_once_and_tasks_are_kept_apart() -> None:
    tasks = [list(range(1000, 1300)), list(range(1000, 1020)) + list(range(2000, 2300))]
    pairs = [
        Pair(examples + [3000 + 100 * number + item + 40 * task] * 30, [choice, 7, 8])
        for task, examples in enumerate(tasks)
        for number, item in enumerate(range(12))
        for choice in (1, 2)
    ]
    batches = plan(pairs, Limits(1024, 64))
    assert {batch.prefix for batch in batches} == {tuple(tasks[0]), tuple(tasks[1])}
    assert _computed(batches) == sum(map(len, tasks)) + 2 * 12 * (30 + 2 * 2)


def test_a_known_prefix_is_used_even_for_one_row() -> None:
    known = tuple(range(300))
    pairs = [Pair([*known, 400, 401], [choice, 7]) for choice in (1, 2)]
    (batch,) = plan(pairs, Limits(1024, 512), [known, tuple(range(40))])
    assert batch.prefix == known


def test_a_text_longer_than_the_window_shares_nothing() -> None:
    pairs = [Pair(list(range(20)), [choice, 7]) for choice in (1, 2)] + [Pair([9] * 50, [choice, 7]) for choice in (1, 2)]
    batches = plan(pairs, Limits(1024, 512, window=32))
    assert _computed(batches) == 20 + 2 + 2 * 51
