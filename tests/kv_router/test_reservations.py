"""The load that the router counts for a worker, from a request's choice to its end."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from tests.kv_router.selector import BLOCK, Selector, prompt

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
]

PROMPT = prompt(1)
IDLE = (0, 0, 0)


def book(selector: Selector, name: str, tokens: list[int]) -> int:
    """Chooses a worker for a prompt and books its load there."""
    told = selector.call(
        "select_and_reserve", {"model_name": "model", "selection_id": name, "token_ids": tokens}
    )
    return int(told["worker_id"])


def test_load_lasts_from_the_choice_to_the_end(selector: Selector) -> None:
    worker = book(selector, "a", PROMPT)
    other = 3 - worker
    assert selector.load(worker) == (1, 4, 4 * BLOCK)
    assert selector.load(other) == IDLE

    selector.call("prefill_complete", "a")
    assert selector.load(worker) == (1, 4, 0)
    selector.call("add_output_block", "a")
    assert selector.load(worker) == (1, 5, 0)
    selector.call("free_reservation", "a")
    assert selector.load(worker) == IDLE


def test_load_of_one_request_sends_the_next_elsewhere(selector: Selector) -> None:
    first = book(selector, "a", prompt(1))

    assert book(selector, "b", prompt(2)) == 3 - first
    selector.call("free_reservation", "a")
    assert book(selector, "c", prompt(3)) == first


def test_what_is_held_there_needs_no_prefill(selector: Selector) -> None:
    selector.hold(2, PROMPT[: 3 * BLOCK])

    assert book(selector, "a", PROMPT) == 2
    assert selector.load(2) == (1, 4, BLOCK)


def test_blocks_that_two_requests_share_are_in_use_once(selector: Selector) -> None:
    for name, tokens in (("a", PROMPT), ("b", [*PROMPT[: 2 * BLOCK], *prompt(2, 2)])):
        selector.reserve(name, 1, tokens, effective_prefill_tokens=0)
    assert selector.load(1) == (2, 6, 0)

    selector.call("free_reservation", "a")
    assert selector.load(1) == (1, 4, 0)


def test_blocks_are_told_apart_by_all_that_comes_before(selector: Selector) -> None:
    # The same content after another beginning is another block in use.
    selector.reserve("a", 1, PROMPT, effective_prefill_tokens=0)
    selector.reserve("b", 1, [7, *PROMPT[1:]], effective_prefill_tokens=0)

    assert selector.load(1) == (2, 8, 0)


def test_what_was_not_booked_does_not_end(selector: Selector) -> None:
    book(selector, "a", PROMPT)
    before = [selector.load(worker) for worker in (1, 2)]

    with pytest.raises(Exception, match="b"):
        selector.call("prefill_complete", "b")
    # It may have ended before: this is no error.
    selector.call("free_reservation", "b")

    assert [selector.load(worker) for worker in (1, 2)] == before


def test_no_two_reservations_of_one_name(selector: Selector) -> None:
    selector.reserve("a", 1, PROMPT, effective_prefill_tokens=0)

    with pytest.raises(Exception, match="a"):
        selector.reserve("a", 2, PROMPT, effective_prefill_tokens=0)

    assert (selector.load(1), selector.load(2)) == ((1, 4, 0), IDLE)


def test_a_choice_is_booked_later_by_its_name_once(selector: Selector) -> None:
    selector.hold(2, PROMPT[: 2 * BLOCK])
    assert selector.select(PROMPT, selection_id="a") == 2
    assert selector.load(2) == IDLE
    claim = {"model_name": "model", "selection_id": "a"}

    selector.call("create_reservation", claim)

    assert selector.load(2) == (1, 4, 2 * BLOCK)
    with pytest.raises(Exception, match="no pending selection"):
        selector.call("create_reservation", claim)


def test_load_of_a_worker_goes_with_it(selector: Selector) -> None:
    selector.reserve("a", 1, PROMPT, effective_prefill_tokens=0)
    selector.call("delete_worker", 1)
    selector.engines[1].close()
    selector.add(1)

    assert selector.load(1) == IDLE


def test_requests_without_reuse_share_no_block(new_selector: Callable[..., Selector]) -> None:
    selector = new_selector(ASSUME_KV_REUSE="false")
    selector.add(1)
    for name in ("a", "b"):
        selector.reserve(name, 1, PROMPT, effective_prefill_tokens=0)

    assert selector.load(1) == (2, 8, 0)
