"""What KV-aware routing gains, in simulated time: prefixes are found wherever they are."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("dynamo.replay", reason="needs ai-dynamo")

from dynamo.llm import KvRouterConfig

from tests.kvbm.replays import Prompt, replayed, reusable, reuse

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.kv_router,
    pytest.mark.router,
    pytest.mark.mocker,
]

WORKERS = 3
# Not a multiple of the workers: who takes turns sends each turn of a session elsewhere.
SESSIONS = 7
TURNS = 5
TURN_BLOCKS = 3


def sessions() -> list[Prompt]:
    """Conversations side by side: each prompt is the one before it, and some blocks more."""
    return [
        [1000 * session + block for block in range(TURN_BLOCKS * turn)]
        for turn in range(1, TURNS + 1)
        for session in range(1, SESSIONS + 1)
    ]


@pytest.mark.parametrize(
    "router",
    [KvRouterConfig(), KvRouterConfig(use_kv_events=False)],
    ids=["events", "prediction"],
)
def test_every_prefix_is_found(tmp_path: Path, router: KvRouterConfig) -> None:
    everything = reusable(sessions(), last_too=False)

    found = reuse(tmp_path, sessions(), workers=WORKERS, router=router)

    assert found == pytest.approx(everything)
    assert reuse(tmp_path, sessions(), workers=WORKERS) < 0.6 * everything


def test_without_credit_prefixes_are_found_by_chance_alone(tmp_path: Path) -> None:
    blind = KvRouterConfig(overlap_score_credit=0.0)

    assert reuse(tmp_path, sessions(), workers=WORKERS, router=blind) < 0.8 * reusable(
        sessions(), last_too=False
    )


def test_one_hot_prefix_is_not_computed_on_every_worker(tmp_path: Path) -> None:
    hot = list(range(20))
    prompts = [[*hot, 1000 + number] for number in range(30)]

    found = reuse(tmp_path, prompts, workers=WORKERS, router=KvRouterConfig())

    # By all but the first, all but the block that is their own.
    assert found == pytest.approx(29 * 20 / (30 * 21))


def test_no_request_is_lost(tmp_path: Path) -> None:
    report = replayed(tmp_path, sessions(), workers=WORKERS, router=KvRouterConfig())

    assert report["completed_requests"] == report["num_requests"] == SESSIONS * TURNS
