"""Server-sent events as they are on the wire, read strictly."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SseEvent", "sse_event", "sse_events"]


@dataclass(frozen=True)
class SseEvent:
    """One server-sent event. Dynamo puts an annotation's value into a comment."""

    event: str
    data: str
    comment: str


def sse_events(body: str) -> list[SseEvent]:
    """Splits the body of a `text/event-stream` into events.

    Raises:
        ValueError: a line is none of `event:`, `data:`, a comment, or the body ends in mid-event.
    """
    if body and not body.endswith("\n\n"):
        raise ValueError(f"the stream ends within an event: {body[-80:]!r}")
    return [sse_event(block) for block in body.split("\n\n") if block.strip()]


def sse_event(block: str) -> SseEvent:
    """Reads the lines of one event.

    Raises:
        ValueError: a line is none of `event:`, `data:`, a comment.
    """
    fields = {"event": "", "data": "", "": ""}
    for line in block.strip("\n").split("\n"):
        name, colon, value = line.partition(":")
        if not colon or name not in fields:
            raise ValueError(f"not a line of an event stream: {line!r}")
        fields[name] += value.removeprefix(" ")
    return SseEvent(fields["event"], fields["data"], fields[""])
