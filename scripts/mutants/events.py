"""What is done to the events of a stream on their way to the client.

Each function makes what one stream goes through: it is given the text of an event, without the
empty line after it, and returns the events that the client gets instead.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

__all__ = [
    "characters_cut",
    "finish_twice",
    "id_for_each_chunk",
    "one_chunk_lost",
    "one_chunk_twice",
    "without_done",
    "without_usage",
]

Change = Callable[[str], list[str]]

# The chunk of a stream that is lost or comes twice: none of the first, which may have no text.
WHICH = 3


def without_done() -> Change:
    """The last event does not come."""
    return lambda event: [] if event == "data: [DONE]" else [event]


def one_chunk_twice() -> Change:
    """One chunk comes twice."""
    return _at_one_chunk(2)


def one_chunk_lost() -> Change:
    """One chunk does not come."""
    return _at_one_chunk(0)


def finish_twice() -> Change:
    """The chunk with the finish reason comes twice."""

    def change(event: str) -> list[str]:
        chunk = _chunk(event)
        choices = chunk.get("choices", []) if chunk else []
        finished = any(choice.get("finish_reason") for choice in choices)
        return [event, event] if finished else [event]

    return change


def without_usage() -> Change:
    """The chunk with the usage does not come."""

    def change(event: str) -> list[str]:
        chunk = _chunk(event)
        return [] if chunk and chunk.get("usage") else [event]

    return change


def id_for_each_chunk() -> Change:
    """Each chunk has an id of its own."""
    number = 0

    def change(event: str) -> list[str]:
        nonlocal number
        chunk = _chunk(event)
        if not chunk:
            return [event]
        number += 1
        return [_event({**chunk, "id": f"{chunk['id']}-{number}"})]

    return change


def characters_cut() -> Change:
    """A character that is not of ASCII is shown as what was not decoded."""

    def change(event: str) -> list[str]:
        chunk = _chunk(event)
        if not chunk:
            return [event]
        for choice in chunk.get("choices", []):
            text = choice.get("delta", {}).get("content")
            if text:
                cut = "".join(letter if letter.isascii() else "\ufffd" for letter in text)
                choice["delta"]["content"] = cut
        return [_event(chunk)]

    return change


def _at_one_chunk(times: int) -> Change:
    number = 0

    def change(event: str) -> list[str]:
        nonlocal number
        if not _chunk(event):
            return [event]
        number += 1
        return [event] * times if number == WHICH else [event]

    return change


def _chunk(event: str) -> dict[str, Any] | None:
    """The object of an event that has nothing else, if it has one."""
    prefix, _, text = event.partition("data: ")
    if prefix or not text.startswith("{"):
        return None
    chunk: dict[str, Any] = json.loads(text)
    return chunk


def _event(chunk: dict[str, Any]) -> str:
    return f"data: {json.dumps(chunk)}"
