"""The router's index against a plain model of it, under many random events."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence

import pytest

pytest.importorskip("dynamo.llm", reason="needs ai-dynamo")

from dynamo.llm import RadixTree

from tests.kv_router.index_events import Rank, cleared, find, removed, stored

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.kv_router,
    pytest.mark.router,
]

# Few kinds of blocks and short prompts, so that prompts share beginnings and part again.
KINDS = 3
LONGEST = 5
WORKERS = 3
RANKS = 2
STEPS = 200

# A block is told from others by all that comes before it.
Prefix = tuple[int, ...]


class Engines:
    """What some ranks hold, and what they tell.

    An engine drops a block only when it holds none that comes after it, as vLLM does.
    """

    def __init__(self, seed: int) -> None:
        self._draw = random.Random(seed)
        self.held: dict[Rank, set[Prefix]] = {
            (worker, rank): set() for worker in range(WORKERS) for rank in range(RANKS)
        }

    def score(self, prompt: Sequence[int]) -> dict[Rank, int]:
        """What the index should say."""
        scores = {}
        for rank, held in self.held.items():
            length = 0
            while length < len(prompt) and tuple(prompt[: length + 1]) in held:
                length += 1
            if length:
                scores[rank] = length
        return scores

    def prompt(self) -> Prefix:
        """Any prompt."""
        return tuple(self._draw.randrange(KINDS) for _ in range(self._draw.randint(1, LONGEST)))

    def events(self) -> Iterator[tuple[int, bytes]]:
        """What happens, one event after another: the worker, and what it tells."""
        for _ in range(STEPS):
            rank = self._draw.choice(list(self.held))
            worker, number = rank
            kind = self._draw.random()
            if kind < 0.6:
                event = self._store(rank)
            elif kind < 0.97:
                event = self._drop(rank)
            else:
                self.held[rank].clear()
                event = cleared(rank=number)
            if event is not None:
                yield worker, event

    def _store(self, rank: Rank) -> bytes | None:
        prompt, held = self.prompt(), self.held[rank]
        new = [prompt[:end] for end in range(1, len(prompt) + 1) if prompt[:end] not in held]
        if not new:
            return None
        held.update(new)
        parent = new[0][:-1]
        return stored(
            {name(prefix): prefix[-1] for prefix in new},
            parent=name(parent) if parent else None,
            rank=rank[1],
        )

    def _drop(self, rank: Rank) -> bytes | None:
        held = self.held[rank]
        inner = {prefix[:-1] for prefix in held}
        leaves = sorted(held - inner)
        if not leaves:
            return None
        dropped = self._draw.sample(leaves, self._draw.randint(1, len(leaves)))
        held.difference_update(dropped)
        return removed([name(prefix) for prefix in dropped], rank=rank[1])


def name(prefix: Prefix) -> int:
    """An engine's name for the block that ends this beginning of a prompt."""
    number = 1
    for kind in prefix:
        number = number * KINDS + kind
    return number


@pytest.mark.parametrize("seed", range(25))
def test_index_says_what_the_engines_hold(seed: int) -> None:
    engines, tree = Engines(seed), RadixTree()

    for worker, event in engines.events():
        tree.apply_event(worker, event)
        prompt = engines.prompt()
        assert find(tree, prompt) == engines.score(prompt), event

    # The same after a copy, and for the others when one worker has gone.
    copy = RadixTree()
    for line in tree.dump_tree_as_events():
        told = json.loads(line)
        copy.apply_event(told["worker_id"], json.dumps(told["event"]).encode())
    copy.remove_worker(0)
    for prompt in (engines.prompt() for _ in range(20)):
        score = engines.score(prompt)
        assert find(tree, prompt) == score
        assert find(copy, prompt) == {rank: n for rank, n in score.items() if rank[0] != 0}
