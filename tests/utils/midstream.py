"""A stream that is caught in the middle, so that a test can break something under it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

from dyno.dynamo import (
    Client,
    EventStream,
    SseEvent,
    StreamedReply,
    Worker,
    completion,
    nvext,
    read_completion_stream,
    streamed,
)

from tests.utils.counting import wait_at

__all__ = ["Midstream", "caught", "holder"]


class Midstream:
    """A stream of which the first pieces have come."""

    def __init__(self, events: EventStream, pieces: int) -> None:
        self._events = events
        self._received: list[SseEvent] = []
        self.read(pieces)

    @property
    def pieces(self) -> tuple[str, ...]:
        """The text that has come so far; errors are none."""
        return tuple(filter(None, (_text(event) for event in self._received)))

    def read(self, pieces: int) -> None:
        """Waits until so many pieces have come."""
        while len(self.pieces) < pieces:
            self._received.append(next(self._events))

    def finish(self) -> StreamedReply:
        """The whole reply, when it has come to its end.

        Raises:
            InvalidReply: it is not sound from its beginning to its end.
        """
        return read_completion_stream(chain(self._received, self._events))

    def error(self) -> str:
        """What the stream says is wrong, when it has come to its end. It must say so once."""
        self._received += self._events
        said = [event for event in self._received if "error" in (event.event, *_fields(event))]
        assert len(said) == 1, self._received
        return said[0].comment or said[0].data


@contextmanager
def caught(
    client: Client,
    prompt: list[int],
    *,
    tokens: int,
    after: int,
    waits: tuple[int, ...] = (),
    worker: Worker | None = None,
    within: float = 60.0,
) -> Iterator[Midstream]:
    """Asks counting workers for a reply, and catches it after so many tokens: there, and after as
    many tokens as `waits` has, it waits until the test opens the gate."""
    places = [len(prompt) + count for count in (after, *waits)]
    extension = nvext(annotations=wait_at(*places), worker=None if worker is None else worker.id)
    asked = streamed(completion("tiny", prompt, max_tokens=tokens, **extension))
    with client.stream("/v1/completions", asked, within=within) as events:
        yield Midstream(events, after)


def holder(workers: list[Worker]) -> Worker:
    """The one worker that has a request in hand."""
    (one,) = (worker for worker in workers if worker.process.is_running() and worker.in_flight())
    return one


def _fields(event: SseEvent) -> dict[str, object]:
    try:
        data = json.loads(event.data)
    except ValueError:
        return {}
    return data if isinstance(data, dict) else {}


def _text(event: SseEvent) -> str:
    choices = _fields(event).get("choices")
    return "".join(choice["text"] for choice in choices) if isinstance(choices, list) else ""
