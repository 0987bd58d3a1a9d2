"""What the block managers of the mocker keep, and what they let go, in simulated time."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

pytest.importorskip("dynamo.replay", reason="needs ai-dynamo")

from dynamo import _core

from tests.kvbm.replays import BLOCK, Prompt, replayed, reusable, reuse

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.trtllm,
    pytest.mark.kvbm,
    pytest.mark.mocker,
]

# The KV block manager (KVBM), and the one that imitates the engine's own.
BACKENDS = ["kvbm", "native"]
ENGINES = ["vllm", "trtllm"]

# The stubs of Dynamo 1.4.2 do not have it.
OFFLOADS = bool(getattr(_core, "MOCKER_KVBM_OFFLOAD_ENABLED", False))

A, B, C = ([100 * number + block for block in range(4)] for number in (1, 2, 3))


def conversations(seed: int, *, prompts: int = 40) -> list[Prompt]:
    """Prompts some of which begin as others do."""
    draw = random.Random(seed)
    roots = [[1000 * number + block for block in range(8)] for number in range(5)]
    sent: list[Prompt] = []
    for number in range(prompts):
        shared = draw.choice(roots)[: draw.randint(1, 8)]
        own = [10_000 * (number + 1) + block for block in range(draw.randint(0, 3))]
        sent.append([*shared, *own])
    return sent


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("seed", range(4))
def test_with_room_all_is_kept(tmp_path: Path, backend: str, engine: str, seed: int) -> None:
    prompts = conversations(seed)

    kept = reuse(tmp_path, prompts, engine_type=engine, g1_backend=backend)

    assert kept == pytest.approx(reusable(prompts, last_too=engine != "vllm"))
    assert 0.2 < kept < 0.8


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("prompts", "kept"),
    [
        ([A, A], 3 / 8),
        ([A, A[:2]], 1 / 6),
        ([A[:2], A], 2 / 6),
        ([A, [*A[:2], *B[:2]]], 2 / 8),
        ([A, [*B[:1], *A[1:]]], 0),
        ([A, B, A], 3 / 12),
        ([A], 0),
    ],
)
def test_whole_blocks_from_the_first_on_are_kept(
    tmp_path: Path, backend: str, prompts: list[Prompt], kept: float
) -> None:
    assert reuse(tmp_path, prompts, g1_backend=backend) == pytest.approx(kept)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_without_prefix_caching_nothing_is_kept(tmp_path: Path, backend: str, engine: str) -> None:
    options = {"engine_type": engine, "g1_backend": backend}

    assert reuse(tmp_path, conversations(0), **options) > 0
    assert reuse(tmp_path, conversations(0), enable_prefix_caching=False, **options) == 0


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("engine", ENGINES)
def test_without_room_the_oldest_goes(tmp_path: Path, backend: str, engine: str) -> None:
    options = {"engine_type": engine, "g1_backend": backend}
    last = 4 if engine == "trtllm" else 3

    # One prompt and a reply fit: each pushes out the one before, and so on for ever.
    assert reuse(tmp_path, [A, B, C] * 3, blocks=5, **options) == 0
    # What was just used stays.
    assert reuse(tmp_path, [A, A, B, B], blocks=5, **options) == pytest.approx(2 * last / 16)
    assert reuse(tmp_path, [A, B, A, C, A], blocks=9, **options) == pytest.approx(2 * last / 20)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("blocks", [12, 20, 40])
@pytest.mark.parametrize("seed", range(4))
def test_too_little_room_loses_reuse_and_no_request(
    tmp_path: Path, backend: str, blocks: int, seed: int
) -> None:
    prompts = conversations(seed)

    report = replayed(tmp_path, prompts, blocks=blocks, g1_backend=backend)

    assert report["completed_requests"] == len(prompts)
    assert report["total_input_tokens"] == BLOCK * sum(map(len, prompts))
    assert 0 < report["prefix_cache_reused_ratio"] <= reusable(prompts, last_too=False)


def test_prompt_that_is_held_is_answered_sooner(tmp_path: Path) -> None:
    prompt = list(range(60))
    alone = replayed(tmp_path, [prompt], g1_backend="kvbm")

    twice = replayed(tmp_path, [prompt, prompt], g1_backend="kvbm")

    assert twice["max_ttft_ms"] == alone["max_ttft_ms"]
    assert twice["min_ttft_ms"] < 0.8 * alone["max_ttft_ms"]


@pytest.mark.skipif(
    not OFFLOADS,
    reason="this ai-dynamo was built without the mocker's offload (as the wheels on PyPI are): "
    "build its Python bindings with the feature mocker-kvbm-offload",
)
def test_host_blocks_keep_what_the_gpu_has_no_room_for(tmp_path: Path) -> None:
    prompts = [A, B, C] * 3
    options = {"g1_backend": "kvbm", "blocks": 9, "kv_bytes_per_token": 1000}

    assert reuse(tmp_path, prompts, **options) == 0
    with_host = reuse(tmp_path, prompts, num_g2_blocks=100, **options)
    assert with_host == pytest.approx(reusable(prompts, last_too=False))


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 takes the option and does nothing with it: docs/findings.md, F33",
)
def test_host_blocks_that_this_build_cannot_give_are_refused(tmp_path: Path) -> None:
    if OFFLOADS:
        pytest.skip("this build has the mocker's offload")
    refused = False
    try:
        replayed(tmp_path, [A], num_g2_blocks=100, kv_bytes_per_token=1000)
    except ValueError:
        refused = True
    assert refused


@pytest.mark.sglang
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the mocker of Dynamo 1.4.2 keeps prefixes as SGLang in any case: docs/findings.md, F34",
)
def test_without_prefix_caching_sglang_keeps_nothing_either(tmp_path: Path) -> None:
    options = {"engine_type": "sglang", "enable_prefix_caching": False}

    assert reuse(tmp_path, [A, A], **options) == 0
