"""The views take what the APIs promise, and say what is broken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from dyno.dynamo import (
    ApiError,
    InvalidReply,
    Reply,
    Route,
    SseEvent,
    Usage,
    error_of,
    finish_of,
    read_chat_stream,
    read_completion_stream,
    route_of,
    text_of,
    tokens_of,
    usage_of,
)
from dyno.dynamo.streams import TEXT, read_choices

DONE = SseEvent("", "[DONE]", "")
COUNTED = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}


def text_chunk(text: str, finish: str | None = None, index: int = 0, **fields: Any) -> SseEvent:
    choice = {"index": index, "text": text, "finish_reason": finish}
    chunk = {"id": "1", "object": "text_completion", "model": "m", "choices": [choice]}
    return SseEvent("", json.dumps({**chunk, **fields}), "")


def chat_chunk(delta: Mapping[str, Any], finish: str | None = None) -> SseEvent:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    chunk = {"id": "1", "object": "chat.completion.chunk", "model": "m", "choices": [choice]}
    return SseEvent("", json.dumps(chunk), "")


USAGE_CHUNK = text_chunk("", choices=[], usage=COUNTED)


def test_stream_is_put_together() -> None:
    note = SseEvent("token_ids", "", '"[1]"')
    chunks = [text_chunk("the "), text_chunk("fox"), text_chunk("", "stop"), USAGE_CHUNK]

    reply = read_completion_stream([note, *chunks, DONE])

    assert reply.pieces == ("the ", "fox")
    assert (reply.text, reply.finish, reply.usage) == ("the fox", "stop", Usage(3, 2))
    assert (reply.id, reply.model) == ("1", "m")


def test_chat_stream_has_text_and_tool_calls() -> None:
    def call(**function: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": function}]}

    events = [
        chat_chunk({"role": "assistant", "content": "hm"}),
        chat_chunk(call(name="now", arguments="")),
        chat_chunk(call(arguments="{}"), "tool_calls"),
        DONE,
    ]

    reply = read_chat_stream(events)

    assert (reply.text, reply.finish, reply.usage) == ("hm", "tool_calls", None)
    assert reply.tool_calls == (("now", "{}"),)


def test_choices_of_one_stream_are_told_apart() -> None:
    events = [
        text_chunk("a", id="x-0"),
        text_chunk("b", "stop", index=1, id="x-1"),
        text_chunk("c", "length", id="x-0"),
        DONE,
    ]

    replies = read_choices(events, TEXT)

    assert {n: (reply.id, reply.text) for n, reply in replies.items()} == {
        0: ("x-0", "ac"),
        1: ("x-1", "b"),
    }
    with pytest.raises(InvalidReply, match="choices .0, 1., expected 0 alone"):
        read_completion_stream(events)


END = text_chunk("", "stop")


@pytest.mark.parametrize(
    ("events", "complaint"),
    [
        ([], r"ends without \[DONE\]"),
        ([END], r"ends without \[DONE\]"),
        ([DONE], "chunks of the models"),
        ([text_chunk("a"), DONE], "no finish reason"),
        ([END, DONE, DONE], r"after \[DONE\]"),
        ([END, text_chunk("a"), DONE], "after finish reason 'stop'"),
        ([END, END, DONE], "after finish reason 'stop'"),
        ([text_chunk("a"), text_chunk("", "stop", id="2"), DONE], "the id was 1"),
        ([text_chunk("a"), text_chunk("", "stop", model="n"), DONE], "the models"),
        ([text_chunk("a", object="list"), DONE], "not a text_completion"),
        ([text_chunk("", "stop", usage=COUNTED), DONE], "usage in a chunk with choices"),
        ([END, USAGE_CHUNK, USAGE_CHUNK, DONE], "after the usage"),
        ([SseEvent("", "{", ""), DONE], "no JSON"),
        ([SseEvent("error", "", '"gone"'), DONE], "tells an error.*gone"),
        ([SseEvent("", '{"error": {"message": "gone"}}', ""), DONE], "tells an error.*gone"),
    ],
)
def test_broken_streams_are_refused(events: list[SseEvent], complaint: str) -> None:
    with pytest.raises(InvalidReply, match=complaint):
        read_completion_stream(events)


def test_chat_of_another_role_is_refused() -> None:
    with pytest.raises(InvalidReply, match="not the assistant's"):
        read_chat_stream([chat_chunk({"role": "user", "content": "a"}, "stop"), DONE])


@pytest.mark.parametrize(
    "reply",
    [
        {"choices": [{"message": {"content": "fox"}}]},
        {"choices": [{"text": "fox"}]},
        {"output": [{"type": "message", "content": [{"type": "output_text", "text": "fox"}]}]},
        {"content": [{"type": "text", "text": "fo"}, {"type": "text", "text": "x"}]},
    ],
)
def test_text_of_each_api(reply: Mapping[str, Any]) -> None:
    assert text_of(reply) == "fox"


def test_text_of_a_tool_call_is_empty() -> None:
    assert text_of({"choices": [{"message": {"content": None, "tool_calls": []}}]}) == ""


@pytest.mark.parametrize("reply", [{}, {"choices": []}, {"choices": [{}, {}]}])
def test_text_of_no_reply_is_refused(reply: Mapping[str, Any]) -> None:
    with pytest.raises(InvalidReply):
        text_of(reply)


def test_usage_of_each_api() -> None:
    assert usage_of({"usage": COUNTED}) == Usage(3, 2)
    assert tokens_of({"usage": {"input_tokens": 3, "output_tokens": 2}}) == 2
    assert Usage(3, 2).total_tokens == 5


@pytest.mark.parametrize(
    ("usage", "complaint"),
    [
        (None, "no usage"),
        ({**COUNTED, "total_tokens": 6}, "not the sum"),
        ({**COUNTED, "completion_tokens": -1}, "no counts"),
        ({"prompt_tokens": 3}, "no counts"),
        ({}, "no counts"),
    ],
)
def test_wrong_usage_is_refused(usage: object, complaint: str) -> None:
    with pytest.raises(InvalidReply, match=complaint):
        usage_of({"usage": usage})


def test_finish_is_said() -> None:
    assert finish_of({"choices": [{"finish_reason": "stop"}]}) == "stop"
    with pytest.raises(InvalidReply, match="no finish reason"):
        finish_of({"choices": [{"finish_reason": None}]})


@pytest.mark.parametrize("wrap", [lambda error: error, lambda error: {"error": error}])
def test_error_of_each_shape(wrap: Any) -> None:
    told = wrap({"message": "no such model", "type": "not_found", "code": 404})

    assert error_of(Reply(404, {}, json.dumps(told).encode())) == ApiError(
        404, "no such model", "not_found"
    )


@pytest.mark.parametrize(
    ("status", "body", "complaint"),
    [
        (200, b"{}", "no refusal"),
        (413, b"too long", "no JSON"),
        (400, b"[]", "without a message"),
        (400, b'{"message": "", "type": "x"}', "without a message"),
        (400, b'{"error": "bad"}', "without a message"),
        (400, b'{"message": "m", "type": "t", "code": 500}', "code of another"),
    ],
)
def test_wrong_errors_are_refused(status: int, body: bytes, complaint: str) -> None:
    with pytest.raises(InvalidReply, match=complaint):
        error_of(Reply(status, {}, body))


def test_route_of_a_reply() -> None:
    workers = {"prefill_worker_id": 1, "decode_worker_id": 2}
    reply = {"nvext": {"worker_id": workers, "timing": {"kv_hit_rate": 0.5}}}

    assert route_of(reply) == Route(1, 2, 0.5)
    assert route_of(reply).disaggregated
    assert not Route(2, 2, 0.5).disaggregated
    assert not Route(None, 2, 0.5).disaggregated
    with pytest.raises(InvalidReply, match="no route"):
        route_of({"nvext": {"worker_id": workers}})
