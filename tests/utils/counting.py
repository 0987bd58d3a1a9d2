"""Workers whose tokens count, for tests that must see each token of a stream that moves from one
worker to another: none lost, none twice, none out of order.

The mocker cannot show that. Its own tokens are random, and a scripted reply begins anew with the
worker that takes over. Here a token depends on its place in the sequence alone, as with a real
model that does not draw: what is left of a reply is the same, whoever gives it.

A stream that is to be caught in the middle waits there until the test opens its gate, so that no
test depends on how fast a machine is.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

from dyno.dynamo import Engine, Role
from dyno.dynamo.workers import Assigned

from tests.utils.model import TinyModel

__all__ = ["WAIT", "CountingSpec", "counted", "token_at", "wait_at"]

# The first of the model's tokens that are words, whole characters each, and no two alike.
FIRST_TOKEN = 300

# An annotation of a request: its worker waits before the token of that place.
WAIT = "wait_at:"

ROOT = Path(__file__).resolve().parents[2]


def token_at(place: int) -> int:
    """The token that stands at a place of the sequence, prompt included."""
    return FIRST_TOKEN + place


def counted(model: TinyModel, prompt: int, tokens: int) -> tuple[str, ...]:
    """The pieces of the text that follows a prompt of so many tokens, one a token."""
    return tuple(model.decode([token_at(place)]) for place in range(prompt, prompt + tokens))


def wait_at(*places: int) -> list[str]:
    """Annotations of a request that has its worker wait before the tokens of these places, prompt
    included, until the gate is open. A worker that begins at such a place does not wait there."""
    return [f"{WAIT}{place}" for place in places]


@dataclass(frozen=True)
class CountingSpec:
    """A worker of `tests.utils.counting_worker`.

    Attributes:
        gate: a file; while it is not there, requests wait where they say.
        variables: of its environment, besides what every worker has.
    """

    gate: Path
    block_size: int = 16
    max_model_len: int = 1024
    namespace: str = "dynamo"
    model_name: str | None = None
    python: str | None = None
    # As of the mocker.
    ready_seconds: float = 90.0
    variables: dict[str, str] = field(default_factory=dict, hash=False)
    role: Role = field(default=Role.AGGREGATED, init=False)
    engine: Engine = field(default=Engine.VLLM, init=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "tests.utils.counting_worker"

    def arguments(self, assigned: Assigned) -> list[str]:
        """Its options that say the same."""
        return [
            *("--model", str(assigned.model)),
            *("--served-model-name", assigned.name),
            *("--max-model-len", str(self.max_model_len)),
            *("--block-size", str(self.block_size)),
            *("--gate", str(self.gate)),
        ]

    def environment(self) -> dict[str, str]:
        """Where its module is, and how soon it goes when it is told to."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return {
            "PYTHONPATH": path,
            # It would keep serving for 5 s, while everybody knows that it leaves.
            "DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": "0",
            **self.variables,
        }
