"""The hashes by which the router knows a block of tokens, whoever computes them."""

from __future__ import annotations

import random
from typing import Any

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from dynamo.llm import compute_block_hash_for_seq

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
]

TOKENS = list(range(1, 17))
BLOCK = 4
BLOCK_SIZES = [1, 4, 16, 64, 128]


def hashes(tokens: list[int], block_size: int = BLOCK, **scope: Any) -> list[int]:
    computed: list[int] = compute_block_hash_for_seq(tokens, block_size, **scope)
    return computed


def differing(one: list[int], other: list[int]) -> list[int]:
    """The places at which two lists of hashes differ."""
    assert len(one) == len(other)
    return [place for place in range(len(one)) if one[place] != other[place]]


def image(number: int) -> dict[str, object]:
    """What lies in a block that has a picture."""
    return {"mm_objects": [{"mm_hash": number, "offsets": [[0, 1]]}]}


def test_hashes_are_those_of_every_release() -> None:
    # Routers, indexers and engines of different releases compare these: none may change them alone.
    # "public-xxh3-v1", computed by 1.4.2.
    assert hashes(TOKENS) == [
        14643705804678351452,
        16777012769546811212,
        483935686894639516,
        135165725823939817,
    ]
    assert hashes(TOKENS, 8) == [4595599524572611415, 13881419948196121694]


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_only_whole_blocks_have_a_hash(block_size: int) -> None:
    for length in (0, 1, block_size - 1, block_size, block_size + 1, 3 * block_size - 1):
        assert len(hashes([7] * length, block_size)) == length // block_size


@pytest.mark.parametrize("block_size", BLOCK_SIZES)
def test_more_tokens_leave_the_hashes_before_them(block_size: int) -> None:
    tokens = list(range(4 * block_size))
    whole = hashes(tokens, block_size)

    for length in range(block_size, len(tokens), block_size):
        assert hashes(tokens[:length], block_size) == whole[: length // block_size]
        assert (
            hashes(tokens[: length + block_size - 1], block_size) == whole[: length // block_size]
        )


@pytest.mark.parametrize("place", range(len(TOKENS)))
def test_a_token_changes_the_hash_of_its_block_and_no_other(place: int) -> None:
    changed = [*TOKENS[:place], 99, *TOKENS[place + 1 :]]

    assert differing(hashes(TOKENS), hashes(changed)) == [place // BLOCK]


def test_hash_is_that_of_the_content_wherever_it_stands() -> None:
    # So equal content in two places is one hash; the index tells the places apart.
    one, other = TOKENS[:BLOCK], TOKENS[BLOCK : 2 * BLOCK]

    assert hashes([*one, *other, *one]) == [*hashes(one), *hashes(other), *hashes(one)]
    assert hashes(one) != hashes(one[::-1])


def test_tokens_are_32_bits_wide() -> None:
    edge = [0, 255, 256, 2**16, 2**31, 2**32 - 1]

    assert len(set(hashes(edge, 1))) == len(edge)


def test_no_two_of_many_blocks_collide() -> None:
    draw = random.Random(20)
    tokens = [draw.randrange(600) for _ in range(20_000 * BLOCK)]
    blocks = {tuple(tokens[start : start + BLOCK]) for start in range(0, len(tokens), BLOCK)}

    assert len(set(hashes(tokens))) == len(blocks)


@pytest.mark.parametrize("name", ["lora_name", "cache_namespace"])
def test_adapters_and_tenants_share_no_block(name: str) -> None:
    plain = hashes(TOKENS)
    scopes: list[dict[str, Any]] = [{name: "one"}, {name: "other"}]
    one, other = (hashes(TOKENS, **scope) for scope in scopes)

    every = {*plain, *one, *other}
    assert len(every) == 3 * len(plain)
    assert one == hashes(TOKENS, **scopes[0])


def test_adapter_and_tenant_of_one_name_are_two_things() -> None:
    scopes: list[dict[str, Any]] = [
        {"lora_name": "a"},
        {"cache_namespace": "a"},
        {"lora_name": "a", "cache_namespace": "b"},
        {"lora_name": "b", "cache_namespace": "a"},
        {"lora_name": "ab"},
        {"cache_namespace": "ab"},
    ]

    computed = [tuple(hashes(TOKENS, **scope)) for scope in scopes]
    assert len(set(computed)) == len(scopes)


@pytest.mark.parametrize("block", range(4))
def test_a_picture_changes_the_hash_of_its_block(block: int) -> None:
    one, other = ([image(number) if at == block else None for at in range(4)] for number in (7, 8))

    with_one, with_other = (hashes(TOKENS, block_mm_infos=infos) for infos in (one, other))
    assert differing(hashes(TOKENS), with_one) == [block]
    assert differing(with_one, with_other) == [block]


def test_windows_of_eagle_reach_one_token_into_the_next_block() -> None:
    plain = hashes(TOKENS, is_eagle=True)
    assert len(plain) == (len(TOKENS) - 1) // BLOCK

    # The first token of the second block is also the last one of the first window.
    changed = [*TOKENS[:BLOCK], 99, *TOKENS[BLOCK + 1 :]]
    assert differing(plain, hashes(changed, is_eagle=True)) == [0, 1]
    changed = [*TOKENS[: BLOCK + 1], 99, *TOKENS[BLOCK + 2 :]]
    assert differing(plain, hashes(changed, is_eagle=True)) == [1]


@pytest.mark.parametrize(
    ("tokens", "block_size", "refusal"),
    [
        (TOKENS, 0, ValueError),
        (TOKENS, -1, OverflowError),
        ([-1], 1, OverflowError),
        ([2**32], 1, OverflowError),
        (["a"], 1, TypeError),
    ],
)
def test_nonsense_is_refused(tokens: list[int], block_size: int, refusal: type[Exception]) -> None:
    with pytest.raises(refusal):
        hashes(tokens, block_size)
