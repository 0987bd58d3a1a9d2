"""Which worker is chosen for a prompt: the cost of each, and who may be chosen at all."""

from __future__ import annotations

import math
from collections import Counter
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
BLOCKS = 4

# A sound router fails a test of chance in fewer than one of a million runs: five sigma.
SIGMAS = 5.0


# Between equals a coin is tossed; so many tosses show one side alone once in ten million times.
TOSSES = 24

LOADS = range(2 * BLOCKS + 3)


def balance(selector: Selector, held: int) -> list[set[int]]:
    """Who is chosen for the prompt while worker 1, which holds so many of its blocks, has none,
    one, two, ... blocks in use."""
    selector.hold(1, PROMPT[: held * BLOCK])
    chosen = []
    for load in LOADS:
        chosen.append({selector.select(PROMPT) for _ in range(TOSSES)})
        selector.reserve(f"load-{load}", 1, prompt(100 + load, 1), effective_prefill_tokens=0)
    return chosen


def expected(outweighed_by: float) -> list[set[int]]:
    """The same by a cost that so much load makes equal."""
    return [
        {1} if load < outweighed_by else {1, 2} if load == outweighed_by else {2} for load in LOADS
    ]


@pytest.mark.parametrize("held", [1, 2, 3, 4])
def test_a_held_block_weighs_as_much_as_one_in_use(selector: Selector, held: int) -> None:
    assert balance(selector, held) == expected(held)


@pytest.mark.parametrize(
    ("settings", "held", "outweighed_by"),
    [
        ({"KV_OVERLAP_SCORE_CREDIT": 0.5}, 4, 2),
        ({"KV_OVERLAP_SCORE_CREDIT": 0.0}, 4, 0),
        ({"KV_OVERLAP_SCORE_CREDIT": 1.5}, 2, 3),
        # More than the whole prompt is never saved.
        ({"KV_OVERLAP_SCORE_CREDIT": 3.0}, 4, 4),
        ({"PREFILL_LOAD_SCALE": 2.0}, 4, 8),
        ({"PREFILL_LOAD_SCALE": 0.5}, 4, 2),
        ({"DECODE_ACTIVE_REQUEST_WEIGHT": 1.0}, 4, 2),
        ({"DECODE_ACTIVE_REQUEST_WEIGHT": 3.0}, 4, 1),
    ],
    ids=lambda value: (
        "-".join(f"{k}={v}" for k, v in value.items()).lower()
        if isinstance(value, dict)
        else str(value)
    ),
)
def test_settings_move_the_balance(
    new_selector: Callable[..., Selector],
    settings: dict[str, float],
    held: int,
    outweighed_by: float,
) -> None:
    selector = new_selector(**settings)
    selector.add(1)
    selector.add(2)

    assert balance(selector, held) == expected(outweighed_by)


def test_a_request_may_bring_settings_of_its_own(selector: Selector) -> None:
    selector.hold(1, PROMPT)
    for number in range(3):
        selector.reserve(f"load-{number}", 1, prompt(100 + number, 1), effective_prefill_tokens=0)

    assert selector.select(PROMPT) == 1
    half = {"overlap_score_credit": 0.5}
    assert selector.select(PROMPT, router_config_override=half) == 2
    assert selector.select(PROMPT) == 1
    with pytest.raises(ValueError, match="overlap_score_credit"):
        selector.select(PROMPT, router_config_override={"overlap_score_credit": -1.0})


def test_prefill_to_come_weighs_until_it_is_done(selector: Selector) -> None:
    selector.hold(1, PROMPT)
    # Three blocks: in use, and to be computed.
    selector.reserve("long", 1, prompt(2, 3), effective_prefill_tokens=3 * BLOCK)
    assert selector.load(1) == (1, 3, 3 * BLOCK)
    assert selector.select(PROMPT) == 2

    selector.call("prefill_complete", "long")
    assert selector.load(1) == (1, 3, 0)
    assert selector.select(PROMPT) == 1


@pytest.mark.parametrize(("decay", "worker"), [(0.0, 1), (2.0, 2)])
def test_credit_decays_where_prefill_is_waiting(
    new_selector: Callable[..., Selector], decay: float, worker: int
) -> None:
    selector = new_selector(KV_OVERLAP_SCORE_CREDIT_DECAY=decay)
    selector.add(1)
    selector.add(2)
    selector.hold(1, PROMPT)
    # What waits is a quarter of the prompt: the credit of four becomes 4 / (1 + 2 / 4), less than
    # the two blocks in use and the one to be computed.
    selector.reserve("waiting", 1, prompt(2, 1), effective_prefill_tokens=BLOCK)
    selector.reserve("more", 1, prompt(3, 1), effective_prefill_tokens=0)

    assert selector.load(1) == (2, 2, BLOCK)
    assert selector.select(PROMPT) == worker


def test_equals_are_chosen_alike(selector: Selector) -> None:
    chosen = Counter(selector.select(PROMPT) for _ in range(200))

    assert abs(chosen[1] - 100) <= SIGMAS * math.sqrt(200 / 4)


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_temperature_is_that_of_a_softmax(
    new_selector: Callable[..., Selector], temperature: float
) -> None:
    selector = new_selector(TEMPERATURE=temperature)
    selector.add(1)
    selector.add(2)
    selector.hold(1, PROMPT[: 2 * BLOCK])

    draws = 400
    chosen = Counter(selector.select(PROMPT) for _ in range(draws))

    # The costs are scaled to reach from 0 to 1.
    share = 1 / (1 + math.exp(-1 / temperature))
    assert abs(chosen[1] - draws * share) <= SIGMAS * math.sqrt(draws * share * (1 - share))


def test_workers_of_another_model_or_group_are_not_asked(selector: Selector) -> None:
    selector.add(3, model="other")
    selector.add(4, routing_group="apart")

    assert {selector.select(prompt(n)) for n in range(2, 22)} == {1, 2}
    assert selector.select(PROMPT, model_name="other") == 3
    assert selector.select(PROMPT, routing_group="apart") == 4
    assert set(selector.held(PROMPT, model="other")) == {3}


def test_taints_decide_who_may_be_chosen(new_selector: Callable[..., Selector]) -> None:
    selector = new_selector()
    selector.add(1, taints=["fast"])
    selector.add(2, taints=["slow"])
    selector.hold(1, PROMPT)

    assert selector.select(PROMPT) == 1
    required = {"required_taints": ["slow"]}
    assert selector.select(PROMPT, routing_constraints=required) == 2
    avoided = {"preferred_taints": {"fast": -5.0}}
    assert selector.select(PROMPT, routing_constraints=avoided) == 2
    with pytest.raises(Exception, match="no endpoints"):
        selector.select(PROMPT, routing_constraints={"required_taints": ["absent"]})


def test_only_the_allowed_are_chosen(selector: Selector) -> None:
    selector.hold(1, PROMPT)

    assert selector.select(PROMPT, allowed_worker_ids=[2]) == 2
    assert selector.select(PROMPT, allowed_worker_ids=[1, 2]) == 1


def test_a_worker_that_was_removed_is_chosen_no_more(selector: Selector) -> None:
    selector.hold(1, PROMPT)
    selector.call("delete_worker", 1)

    assert {selector.select(PROMPT) for _ in range(10)} == {2}
    assert selector.held(PROMPT) == {2: 0}
    selector.call("delete_worker", 2)
    with pytest.raises(Exception, match="no schedulable workers") as refusal:
        selector.select(PROMPT)
    assert (refusal.value.kind, refusal.value.status_code) == ("not_ready", 503)  # type: ignore[attr-defined]


def test_a_worker_that_comes_back_holds_nothing(selector: Selector) -> None:
    selector.hold(1, PROMPT)
    selector.call("delete_worker", 1)
    selector.engines[1].close()
    selector.add(1)

    assert selector.held(PROMPT) == {1: 0, 2: 0}


def test_worker_without_a_stream_of_events_is_not_ready(
    new_selector: Callable[..., Selector],
) -> None:
    selector = new_selector()
    worker = {"worker_id": 1, "endpoint": "http://worker", "block_size": BLOCK}

    assert selector.call("upsert_worker", worker)["lifecycle"] == "incomplete"
    assert selector.call("ready")["ready"] is False


def test_after_its_end_nothing_is_chosen(selector: Selector) -> None:
    selector.call("shutdown")

    with pytest.raises(Exception, match="shutting down"):
        selector.select(PROMPT)
