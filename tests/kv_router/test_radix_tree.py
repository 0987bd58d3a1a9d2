"""The router's index of which worker holds which blocks: what it says after each kind of event."""

from __future__ import annotations

import json
import threading

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from dynamo.llm import RadixTree

from tests.kv_router.index_events import cleared, find, removed, stored

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
]

# A prompt of four blocks: the hashes of their tokens, and the engine's names for them.
PROMPT = [1, 2, 3, 4]
BLOCKS = {101: 1, 102: 2, 103: 3, 104: 4}

ONE, TWO = (1, 0), (2, 0)


@pytest.fixture
def tree() -> RadixTree:
    """An index that knows that worker 1 holds the prompt."""
    tree = RadixTree()
    tree.apply_event(1, stored(BLOCKS))
    return tree


def test_an_empty_index_knows_nothing() -> None:
    tree = RadixTree()

    assert find(tree, PROMPT) == {}
    assert find(tree, []) == {}
    assert tree.dump_tree_as_events() == []


def test_score_is_the_number_of_blocks_from_the_first_on(tree: RadixTree) -> None:
    assert find(tree, PROMPT) == {ONE: 4}
    assert find(tree, [*PROMPT, 5, 6]) == {ONE: 4}
    assert find(tree, [1, 2, 9, 4]) == {ONE: 2}
    assert find(tree, [9, *PROMPT]) == {}
    assert find(tree, PROMPT[1:]) == {}


def test_each_worker_has_its_own_score(tree: RadixTree) -> None:
    tree.apply_event(2, stored({101: 1, 102: 2}))
    tree.apply_event(3, stored({201: 9}))

    assert find(tree, PROMPT) == {ONE: 4, TWO: 2}
    assert find(tree, [9]) == {(3, 0): 1}


def test_each_rank_of_a_worker_has_its_own_score(tree: RadixTree) -> None:
    tree.apply_event(1, stored({101: 1}, rank=1))

    assert find(tree, PROMPT) == {ONE: 4, (1, 1): 1}


def test_blocks_continue_their_parent(tree: RadixTree) -> None:
    tree.apply_event(1, stored({105: 5}, parent=104))
    tree.apply_event(1, stored({106: 6}, parent=102))

    assert find(tree, [*PROMPT, 5]) == {ONE: 5}
    assert find(tree, [1, 2, 6]) == {ONE: 3}
    assert find(tree, [1, 2, 5]) == {ONE: 2}


def test_same_content_in_another_place_is_another_block(tree: RadixTree) -> None:
    tree.apply_event(1, stored({201: 4, 202: 3}))

    assert find(tree, [4, 3]) == {ONE: 2}
    assert find(tree, [1, 2, 4]) == {ONE: 2}


def test_blocks_of_an_unknown_parent_are_refused(tree: RadixTree) -> None:
    with pytest.raises(RuntimeError, match="parent"):
        tree.apply_event(2, stored({301: 1}, parent=999))
    # Another worker's block is no parent either: this one does not hold what comes before.
    with pytest.raises(RuntimeError, match="parent"):
        tree.apply_event(2, stored({105: 5}, parent=104))

    assert find(tree, [*PROMPT, 5]) == {ONE: 4}


def test_told_twice_is_known_once(tree: RadixTree) -> None:
    tree.apply_event(1, stored(BLOCKS))
    tree.apply_event(1, removed([104]))

    assert find(tree, PROMPT) == {ONE: 3}


def test_removal_ends_the_prefix_there_for_that_worker_alone(tree: RadixTree) -> None:
    tree.apply_event(2, stored(BLOCKS))
    tree.apply_event(1, removed([104]))
    assert find(tree, PROMPT) == {ONE: 3, TWO: 4}

    # What comes after a missing block is of no use to anyone.
    tree.apply_event(2, removed([102]))
    assert find(tree, PROMPT) == {ONE: 3, TWO: 1}

    tree.apply_event(2, removed([101]))
    assert find(tree, PROMPT) == {ONE: 3}


def test_a_removed_block_can_come_back(tree: RadixTree) -> None:
    tree.apply_event(1, removed([103, 104]))
    tree.apply_event(1, stored({103: 3, 104: 4}, parent=102))

    assert find(tree, PROMPT) == {ONE: 4}


@pytest.mark.parametrize(
    ("worker", "event"),
    [
        (1, removed([999])),
        (2, removed([101])),
        (1, removed([101], rank=1)),
    ],
    ids=["unknown", "another worker's", "another rank's"],
)
def test_removal_of_what_one_does_not_hold_changes_nothing(
    tree: RadixTree, worker: int, event: bytes
) -> None:
    with pytest.raises(RuntimeError, match="find block"):
        tree.apply_event(worker, event)

    assert find(tree, PROMPT) == {ONE: 4}


def test_unknown_block_among_the_removed_saves_none_of_the_others(tree: RadixTree) -> None:
    with pytest.raises(RuntimeError, match="find block"):
        tree.apply_event(1, removed([999, 104]))

    assert find(tree, PROMPT) == {ONE: 3}


def test_cleared_is_one_rank_of_one_worker(tree: RadixTree) -> None:
    tree.apply_event(1, stored(BLOCKS, rank=1))
    tree.apply_event(2, stored(BLOCKS))

    tree.apply_event(1, cleared())

    assert find(tree, PROMPT) == {(1, 1): 4, TWO: 4}


@pytest.mark.parametrize("way", ["remove_worker", "clear_all_blocks"])
def test_a_worker_goes_with_all_its_ranks(tree: RadixTree, way: str) -> None:
    tree.apply_event(1, stored(BLOCKS, rank=1))
    tree.apply_event(2, stored({101: 1}))

    getattr(tree, way)(1)
    getattr(tree, way)(77)

    assert find(tree, PROMPT) == {TWO: 1}
    tree.apply_event(1, stored({101: 1, 102: 2}))
    assert find(tree, PROMPT) == {ONE: 2, TWO: 1}


def test_dump_told_to_an_empty_index_makes_it_the_same(tree: RadixTree) -> None:
    tree.apply_event(1, stored({105: 5, 106: 6}, parent=102))
    tree.apply_event(2, stored({101: 1, 102: 2}, rank=3))
    tree.apply_event(1, removed([104]))

    copy = RadixTree()
    for line in tree.dump_tree_as_events():
        told = json.loads(line)
        copy.apply_event(told["worker_id"], json.dumps(told["event"]).encode())

    for prompt in (PROMPT, [1, 2, 5, 6], [1, 2], [9]):
        assert find(copy, prompt) == find(tree, prompt)
    # Names went along: what is removed by name is found.
    copy.apply_event(1, removed([106]))
    assert find(copy, [1, 2, 5, 6]) == {ONE: 3, (2, 3): 2}


@pytest.mark.parametrize(
    "event",
    [b"", b"nonsense", b"{}", b'{"event_id": 0}', b'{"event_id": -1, "data": "cleared"}'],
)
def test_what_is_no_event_is_refused_and_changes_nothing(tree: RadixTree, event: bytes) -> None:
    with pytest.raises(ValueError, match="deserialize"):
        tree.apply_event(1, event)

    assert find(tree, PROMPT) == {ONE: 4}


def test_workers_that_tell_at_once_are_all_heard() -> None:
    tree, workers, blocks = RadixTree(), range(8), 50

    def tell(worker: int) -> None:
        parent: int | None = None
        for block in range(blocks):
            tree.apply_event(worker, stored({1000 + block: block}, parent=parent))
            parent = 1000 + block
        tree.apply_event(worker, removed([1000 + block for block in range(40, blocks)]))

    threads = [threading.Thread(target=tell, args=(worker,)) for worker in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert find(tree, list(range(blocks))) == {(worker, 0): 40 for worker in workers}


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the option of Dynamo 1.4.2 does nothing: docs/findings.md, F30",
)
def test_early_exit_ends_the_search_at_the_first_match(tree: RadixTree) -> None:
    assert list(tree.find_matches(PROMPT, early_exit=True).scores.values()) == [1]
