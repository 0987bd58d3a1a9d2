"""Bodies of requests."""

from __future__ import annotations

import json
from pathlib import Path

from dyno.dynamo import (
    chat,
    completion,
    embedding,
    message,
    nvext,
    response,
    streamed,
    tool,
)
from dyno.dynamo.scripts import write_script


def test_text_is_what_the_user_says() -> None:
    said = [{"role": "user", "content": "hi"}]

    assert chat("m", "hi", max_tokens=2) == {"model": "m", "messages": said, "max_tokens": 2}
    assert message("m", "hi", max_tokens=2) == {"model": "m", "messages": said, "max_tokens": 2}


def test_messages_are_taken_as_they_are() -> None:
    messages = [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]

    assert chat("m", messages)["messages"] == messages


def test_each_api_has_its_own_names() -> None:
    assert completion("m", [1, 2], max_tokens=3) == {
        "model": "m",
        "prompt": [1, 2],
        "max_tokens": 3,
    }
    assert response("m", "hi", max_tokens=3) == {
        "model": "m",
        "input": "hi",
        "max_output_tokens": 3,
    }
    assert embedding("m", ["a", "b"]) == {"model": "m", "input": ["a", "b"]}


def test_further_fields_go_in_by_their_names() -> None:
    body = completion("m", "hi", temperature=0, **nvext(worker=7, dp_rank=1))

    assert body["temperature"] == 0
    assert body["nvext"] == {"backend_instance_id": 7, "dp_rank": 1}


def test_log_probabilities_are_asked_for_in_both_fields() -> None:
    body = chat("m", "hi", top_logprobs=0)

    assert (body["logprobs"], body["top_logprobs"]) == (True, 0)
    assert "logprobs" not in chat("m", "hi")


def test_streamed_leaves_the_request_as_it_was() -> None:
    body = chat("m", "hi")

    assert streamed(body) == {**body, "stream": True, "stream_options": {"include_usage": True}}
    assert streamed(body, usage=False) == {**body, "stream": True}
    assert "stream" not in body


def test_tool_is_a_function_with_a_schema() -> None:
    function = tool("weather", "of a city", city="string", day="integer")["function"]

    assert function["name"] == "weather"
    assert function["parameters"]["properties"]["day"] == {"type": "integer"}
    assert function["parameters"]["required"] == ["city", "day"]
    assert chat("m", "hi", tools=[tool("now")])["tools"][0]["type"] == "function"


def test_scripted_reply_is_asked_for_beside_other_annotations(tmp_path: Path) -> None:
    write_script(tmp_path / "script", {"fox": [5, 6], "dog": []})
    rows = [json.loads(line) for line in (tmp_path / "script").read_text().splitlines()]

    assert [row["output_length"] for row in rows] == [2, 0]
    assert rows[0]["output_token_ids"] == [5, 6]
    asked = nvext(reply="fox", annotations=["token_ids"])["nvext"]
    assert asked == {"annotations": ["token_ids", "output_replay_id:fox"]}


def test_nothing_is_asked_unasked() -> None:
    assert nvext() == {"nvext": {}}
    assert nvext(tell_route=True) == {"nvext": {"extra_fields": ["worker_id", "timing"]}}
