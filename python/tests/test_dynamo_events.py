"""The event-stream reader."""

from __future__ import annotations

import pytest
from dyno.dynamo.events import SseEvent, sse_events


def test_events_are_split_at_blank_lines() -> None:
    body = 'event: note\n: "value"\n\ndata: {"a": 1}\n\ndata: [DONE]\n\n'

    assert sse_events(body) == [
        SseEvent("note", "", '"value"'),
        SseEvent("", '{"a": 1}', ""),
        SseEvent("", "[DONE]", ""),
    ]


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("data: [DONE]\n", "ends within an event"),
        ("data: 1\n\nnonsense\n\n", "not a line of an event stream: 'nonsense'"),
        ("dada: 1\n\n", "not a line of an event stream: 'dada: 1'"),
    ],
)
def test_broken_streams_are_refused(body: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        sse_events(body)
