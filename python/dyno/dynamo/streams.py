"""Streamed replies of OpenAI's chat and text completions, held to the rules of the API:

- every event is a JSON object of the API's type, but for annotations of Dynamo's, which have an
  event name and no data; the last is `[DONE]`;
- all chunks of a choice have one id, and all chunks one model;
- each choice has exactly one finish reason, and nothing after it;
- in chat, the first delta of a choice names the assistant;
- usage comes once, in the last chunk, which has no choice, and its total is the sum.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from dyno.dynamo.events import SseEvent
from dyno.dynamo.replies import InvalidReply, StreamedReply, Usage, usage_of

__all__ = ["read_chat_stream", "read_choices", "read_completion_stream"]

CHAT = "chat.completion.chunk"
TEXT = "text_completion"


def read_chat_stream(events: Iterable[SseEvent]) -> StreamedReply:
    """Reads a stream of `/v1/chat/completions` with one choice to its end.

    Raises:
        InvalidReply: it breaks a rule of this module, tells an error, or has several choices.
    """
    return _only(read_choices(events, CHAT))


def read_completion_stream(events: Iterable[SseEvent]) -> StreamedReply:
    """Reads a stream of `/v1/completions` with one choice to its end.

    Raises:
        InvalidReply: it breaks a rule of this module, tells an error, or has several choices.
    """
    return _only(read_choices(events, TEXT))


@dataclass
class _Choice:
    id: str
    pieces: list[str] = field(default_factory=list)
    finish: str | None = None
    #: Name and arguments of each tool call.
    calls: dict[int, list[str]] = field(default_factory=dict)


def read_choices(events: Iterable[SseEvent], kind: str) -> dict[int, StreamedReply]:
    """Reads a stream to its end: what it says for each choice, by its index.

    Args:
        kind: the `object` of every chunk.

    Raises:
        InvalidReply: it breaks a rule of this module, or tells an error.
    """
    choices: dict[int, _Choice] = {}
    models: set[str] = set()
    usage: Usage | None = None
    for chunk in _chunks(events):
        if chunk.get("object") != kind:
            raise InvalidReply(f"not a {kind}: {chunk}")
        if usage is not None:
            raise InvalidReply(f"a chunk after the usage: {chunk}")
        models.add(chunk["model"])
        for told in chunk["choices"]:
            choice = choices.setdefault(told["index"], _Choice(chunk["id"]))
            _add(choice, told, chunk)
        if chunk.get("usage") is not None:
            usage = usage_of(chunk)
            if chunk["choices"]:
                raise InvalidReply(f"usage in a chunk with choices: {chunk}")
    if len(models) != 1:
        raise InvalidReply(f"chunks of the models {sorted(models)}")
    return {index: _finished(choice, models, usage) for index, choice in choices.items()}


def _chunks(events: Iterable[SseEvent]) -> Iterable[Mapping[str, Any]]:
    done = False
    for event in events:
        if done:
            raise InvalidReply(f"an event after [DONE]: {event}")
        if event.event == "error":
            raise InvalidReply(f"the stream tells an error: {event}")
        if event.event and not event.data:
            continue
        if event.data == "[DONE]":
            done = True
            continue
        try:
            chunk = json.loads(event.data)
        except ValueError as error:
            raise InvalidReply(f"no JSON: {event}") from error
        if not isinstance(chunk, dict) or "error" in chunk:
            raise InvalidReply(f"the stream tells an error: {event}")
        yield chunk
    if not done:
        raise InvalidReply("the stream ends without [DONE]")


def _add(choice: _Choice, told: Mapping[str, Any], chunk: Mapping[str, Any]) -> None:
    if chunk["id"] != choice.id:
        raise InvalidReply(f"the id was {choice.id}: {chunk}")
    if choice.finish is not None:
        raise InvalidReply(f"a chunk after finish reason {choice.finish!r}: {chunk}")
    if chunk["object"] == CHAT:
        delta = told["delta"]
        if not choice.pieces and not choice.calls and delta.get("role") not in ("assistant", None):
            raise InvalidReply(f"the reply is not the assistant's: {chunk}")
        text = delta.get("content")
        for call in delta.get("tool_calls") or ():
            parts = choice.calls.setdefault(call["index"], ["", ""])
            parts[0] += call["function"].get("name") or ""
            parts[1] += call["function"].get("arguments") or ""
    else:
        text = told["text"]
    if text:
        choice.pieces.append(text)
    choice.finish = told.get("finish_reason")


def _finished(choice: _Choice, models: set[str], usage: Usage | None) -> StreamedReply:
    if choice.finish is None:
        raise InvalidReply(f"no finish reason after {choice.pieces}")
    return StreamedReply(
        id=choice.id,
        model=next(iter(models)),
        pieces=tuple(choice.pieces),
        finish=choice.finish,
        usage=usage,
        tool_calls=tuple((name, arguments) for name, arguments in choice.calls.values()),
    )


def _only(choices: Mapping[int, StreamedReply]) -> StreamedReply:
    if set(choices) != {0}:
        raise InvalidReply(f"choices {sorted(choices)}, expected 0 alone")
    return choices[0]
