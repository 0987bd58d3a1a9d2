"""The index after each kind of thing that an engine tells over ZeroMQ, and after what gets lost."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from dyno.dynamo import eventually

from tests.kv_router.engine import DISK, HOST, Engine, cleared, removed, stored
from tests.kv_router.selector import BLOCK, Selector, prompt

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
]

PROMPT = prompt(1)
NAMES = [11, 12, 13, 14]

# What an engine tells last in a test: once it is known, so is all before it.
LAST = prompt(9, 1)


def block(number: int) -> list[int]:
    """The tokens of a block of the prompt."""
    return PROMPT[number * BLOCK : (number + 1) * BLOCK]


def heard(selector: Selector, engine: Engine, worker: int = 1) -> int:
    """How many blocks of the prompt the index says a worker holds, after all it was told so far."""
    engine.tell(stored([99], LAST))
    eventually(lambda: selector.held(LAST)[worker] == 1, what="the last event is known")
    return selector.held(PROMPT)[worker]


@pytest.fixture
def engine(selector: Selector) -> Engine:
    """The engine of worker 1."""
    return selector.engines[1]


def test_stored_and_removed(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    engine.tell(stored(NAMES[2:], PROMPT[2 * BLOCK :], parent=NAMES[1]), removed([NAMES[3]]))

    assert heard(selector, engine) == 3
    assert selector.held(PROMPT)[2] == 0


def test_cleared(selector: Selector, engine: Engine) -> None:
    selector.hold(2, PROMPT)
    engine.tell(stored(NAMES, PROMPT), cleared())

    assert heard(selector, engine) == 0
    assert selector.held(PROMPT)[2] == 4


def test_lower_tiers_continue_what_the_gpu_holds(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    engine.tell(stored([NAMES[2]], block(2), parent=NAMES[1], medium=HOST))
    engine.tell(stored([NAMES[3]], block(3), parent=NAMES[2], medium=DISK))
    told = ("device_blocks", "host_pinned_extension_blocks", "disk_extension_blocks")

    def row() -> dict[str, Any]:
        return next(row for row in selector.overlaps(PROMPT) if row["worker_id"] == 1)

    # Each tier has an index of its own: what one knows says nothing of the others.
    eventually(lambda: [row()[name] for name in told] == [2, 1, 1], what="each tier knows its own")
    # By default a block in the host's memory is worth three quarters, one on a disk a quarter.
    assert row()["router_credit_blocks"] == 2 + 0.75 + 0.25


def test_block_moves_down_and_comes_back(selector: Selector, engine: Engine) -> None:
    def row() -> dict[str, Any]:
        heard(selector, engine)
        return next(row for row in selector.overlaps(PROMPT) if row["worker_id"] == 1)

    told = ("device_blocks", "host_pinned_extension_blocks")
    engine.tell(stored(NAMES, PROMPT))
    engine.tell(stored([NAMES[3]], block(3), parent=NAMES[2], medium=HOST), removed([NAMES[3]]))
    # Each tier has an index of its own: what one knows says nothing of the other.
    eventually(lambda: [row()[name] for name in told] == [3, 1], what="each tier knows its own")

    engine.tell(stored([NAMES[3]], block(3), parent=NAMES[2]))
    assert row()["device_blocks"] == 4
    engine.tell(removed([NAMES[3]], medium=HOST))
    assert row()["device_blocks"] == 4


def test_lost_batch_is_asked_for(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    lost = engine.tell(stored([NAMES[2]], block(2), parent=NAMES[1]), lost=True)
    engine.tell(removed([]), lost=True)
    engine.tell(stored([NAMES[3]], block(3), parent=NAMES[2]))

    assert heard(selector, engine) == 4
    assert engine.asked == [lost]


def test_all_that_was_lost_at_the_start_is_asked_for(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES, PROMPT), lost=True)

    assert heard(selector, engine) == 4
    assert engine.asked == [0]


def test_lost_removal_is_caught_up(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES, PROMPT))
    engine.tell(removed(NAMES[1:]), lost=True)

    assert heard(selector, engine) == 1


def test_nothing_is_asked_for_while_nothing_is_lost(selector: Selector, engine: Engine) -> None:
    for number, name in enumerate(NAMES):
        parent = NAMES[number - 1] if number else None
        engine.tell(stored([name], block(number), parent=parent))

    assert heard(selector, engine) == 4
    assert engine.asked == []


def test_batch_that_comes_twice_counts_once(selector: Selector, engine: Engine) -> None:
    first = engine.tell(stored(NAMES, PROMPT))
    engine.tell(removed([NAMES[3]]))
    engine.repeat(first)

    assert heard(selector, engine) == 3
    assert engine.asked == []


def test_lost_batch_without_anyone_to_ask_costs_what_was_in_it(selector: Selector) -> None:
    engine = selector.add(3, replay_endpoint=None)
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    engine.tell(stored([NAMES[2]], block(2), parent=NAMES[1]), lost=True)
    engine.tell(stored([NAMES[3]], block(3), parent=NAMES[2]))

    assert heard(selector, engine, worker=3) == 2


def test_batch_that_is_none_is_passed_over(selector: Selector, engine: Engine) -> None:
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    engine.tell(["NoSuchEvent", 1, 2])
    engine.tell(stored(NAMES[2:], PROMPT[2 * BLOCK :], parent=NAMES[1]))

    assert heard(selector, engine) == 4


def test_each_rank_of_an_engine_has_blocks_of_its_own(selector: Selector) -> None:
    with Engine() as other:
        engine = selector.add(3, ranks={1: other.endpoint})
        other.await_listener()
        engine.tell(stored(NAMES[:1], block(0)))
        other.tell(stored(NAMES, PROMPT), rank=1)

        def ranks() -> dict[int, int]:
            rows = [row for row in selector.overlaps(PROMPT) if row["worker_id"] == 3]
            return {row["dp_rank"]: row["device_blocks"] for row in rows}

        eventually(lambda: ranks() == {0: 1, 1: 4}, what="each rank is known to hold its own")
        chosen = selector.chosen(PROMPT)
        assert (chosen["worker_id"], chosen["dp_rank"]) == (3, 1)


@pytest.mark.sglang
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 does not read a replay without a topic: docs/findings.md, F31",
)
def test_lost_batch_is_asked_for_of_sglang_too(selector: Selector) -> None:
    engine = selector.add(3, topic_in_replay=False)
    engine.tell(stored(NAMES[:2], PROMPT[: 2 * BLOCK]))
    lost = engine.tell(stored(NAMES[2:], PROMPT[2 * BLOCK :], parent=NAMES[1]), lost=True)
    known = heard(selector, engine, worker=3)

    if engine.asked != [lost]:
        pytest.fail("the engine was not asked for what was lost")
    assert known == 4


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes the batches of an engine that begins anew for old ones: "
    "docs/findings.md, F32",
)
def test_engine_that_begins_anew_holds_nothing_of_before(
    selector: Selector, engine: Engine
) -> None:
    engine.tell(stored(NAMES, PROMPT))
    for number in range(2, 5):
        engine.tell(stored([100 * number], prompt(number, 1)))
    if heard(selector, engine) != 4:
        pytest.fail("the index did not hear of the prompt")

    engine.restart()
    engine.tell(stored([200], prompt(20, 1)))
    # Twice as many as before: some of these are heard of.
    for number in range(30, 40):
        engine.tell(stored([100 * number], prompt(number, 1)))
    eventually(lambda: selector.held(prompt(39, 1))[1] == 1, what="the engine is heard again")

    assert selector.held(prompt(20, 1))[1] == 1
    assert selector.held(PROMPT)[1] == 0
