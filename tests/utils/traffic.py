"""Steady traffic: clients that stream one reply after another while a test changes the deployment
under them.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType

import openai
from openai.types import Completion

from tests.utils.deployment import Deployment

__all__ = ["Outcome", "Traffic"]

# pydantic builds the types of a reply when the first one comes, and not safely where that is in
# several threads at once.
Completion.construct(
    choices=[{"finish_reason": "length", "index": 0, "text": ""}],
    usage={"completion_tokens": 1, "prompt_tokens": 1, "total_tokens": 2},
)


@dataclass(frozen=True)
class Outcome:
    """How one request ended: what the server counted, or why it failed."""

    tokens: int
    finish: str | None
    error: str | None = None


class Traffic:
    """Clients at work for as long as the `with` block lasts.

    Leaving the block lets every request in flight come to its end; `outcomes` then has all of them.
    """

    def __init__(self, deployment: Deployment, *, clients: int, max_tokens: int) -> None:
        self._deployment = deployment
        self._max_tokens = max_tokens
        self._stopping = threading.Event()
        self._pool = ThreadPoolExecutor(clients, thread_name_prefix="client")
        self._clients: list[Future[list[Outcome]]] = []
        self._size = clients
        self.outcomes: list[Outcome] = []

    def __enter__(self) -> Traffic:  # noqa: PYI034 - Self needs Python 3.11
        self._clients = [self._pool.submit(self._stream_on) for _ in range(self._size)]
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stopping.set()
        # Bounded by the client's own timeout for a chunk.
        self._pool.shutdown()
        self.outcomes = [outcome for client in self._clients for outcome in client.result()]

    def whole(self) -> bool:
        """Whether every request got all the tokens that it asked for."""
        return set(self.outcomes) == {Outcome(self._max_tokens, "length")}

    def _stream_on(self) -> list[Outcome]:
        outcomes = []
        while not self._stopping.is_set():
            try:
                outcomes.append(self._stream_once())
            except openai.APIError as error:
                outcomes.append(Outcome(0, None, f"{type(error).__name__}: {error}"))
        return outcomes

    def _stream_once(self) -> Outcome:
        stream = self._deployment.openai.completions.create(
            model=self._deployment.model.name,
            prompt="one fox",
            max_tokens=self._max_tokens,
            stream=True,
            stream_options={"include_usage": True},
        )
        tokens, finish = 0, None
        with stream:
            for chunk in stream:
                if chunk.usage is not None:
                    tokens = chunk.usage.completion_tokens
                for choice in chunk.choices:
                    # The client's type says that there always is one; only the last chunk has it.
                    if choice.finish_reason:
                        finish = choice.finish_reason
        return Outcome(tokens, finish)
