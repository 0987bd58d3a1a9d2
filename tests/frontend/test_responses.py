"""OpenAI's responses: the newer API, over the same models."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from dyno.dynamo import nvext, response

from tests.frontend.calls import PARIS, REPLIES, TEXT
from tests.frontend.parsing_mocker import ParsingMockerSpec
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

WEATHER: Any = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
}


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(ParsingMockerSpec(), replies=REPLIES)


def ask(served: Deployment, **fields: Any) -> Any:
    return served.openai.responses.create(
        **{"model": "tiny", "input": "go", "max_output_tokens": 100, **fields}
    )


def test_reply_has_the_text_and_counts_its_tokens(served: Deployment) -> None:
    reply = ask(served, extra_body=nvext(reply="text"))

    assert reply.object == "response"
    assert reply.output_text == TEXT
    assert [item.role for item in reply.output] == ["assistant"]
    assert reply.usage.output_tokens == len(served.model.encode(TEXT))
    assert reply.usage.total_tokens == reply.usage.input_tokens + reply.usage.output_tokens


def test_reply_that_is_cut_says_so(served: Deployment) -> None:
    reply = ask(served, max_output_tokens=3)

    assert reply.usage.output_tokens == 3
    assert (reply.status, reply.incomplete_details.reason) == ("incomplete", "max_output_tokens")


def test_instructions_are_part_of_the_prompt(served: Deployment) -> None:
    said = "be brief and kind"
    plain, instructed = (ask(served, **fields) for fields in ({}, {"instructions": said}))

    assert instructed.instructions == said
    more = instructed.usage.input_tokens - plain.usage.input_tokens
    assert more >= len(served.model.encode(said))


def test_input_may_be_a_conversation(served: Deployment) -> None:
    said = [{"role": "user", "content": "go"}]
    assert ask(served, input=said).usage.input_tokens == ask(served).usage.input_tokens
    longer = [*said, {"role": "assistant", "content": "gone"}, {"role": "user", "content": "again"}]
    assert ask(served, input=longer).usage.input_tokens > ask(served).usage.input_tokens


def test_call_of_a_tool_is_an_item(served: Deployment) -> None:
    reply = ask(served, tools=[WEATHER], extra_body=nvext(reply="call"))

    (call,) = reply.output
    assert (call.type, call.name, call.arguments) == ("function_call", "weather", PARIS)
    assert call.call_id
    assert reply.status == "completed"


def test_stream_tells_of_the_response_from_start_to_end(served: Deployment) -> None:
    events = list(ask(served, stream=True, extra_body=nvext(reply="text")))

    kinds = [event.type for event in events]
    order = [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
    ]
    places = [kinds.index(kind) for kind in order]
    assert places == sorted(places)
    assert kinds[-1] in ("response.completed", "response.incomplete")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    deltas = [e.delta for e in events if e.type == "response.output_text.delta"]
    assert "".join(deltas) == TEXT
    assert [e.text for e in events if e.type == "response.output_text.done"] == [TEXT]
    assert len({e.item_id for e in events if e.type == "response.output_text.delta"}) == 1


def test_stream_ends_with_the_whole_response(served: Deployment) -> None:
    (*_, last) = ask(served, stream=True, extra_body=nvext(reply="text"))
    whole = ask(served, extra_body=nvext(reply="text"))

    assert last.response.output_text == whole.output_text == TEXT
    assert last.response.usage.output_tokens == whole.usage.output_tokens


def test_stream_ends_as_the_whole_reply_does(served: Deployment) -> None:
    (*_, last) = ask(served, max_output_tokens=3, stream=True)

    assert (last.type, last.response.status) == ("response.incomplete", "incomplete")


def test_response_without_input_is_refused(served: Deployment) -> None:
    with pytest.raises(openai.BadRequestError, match="missing field `input`"):
        ask(served, input=openai.omit)


@pytest.mark.xfail(
    strict=True,
    raises=openai.InternalServerError,
    reason="Dynamo 1.4.2 answers 501, which clients try again: docs/findings.md, F53",
)
@pytest.mark.parametrize("fields", [{"previous_response_id": "resp_1"}, {"background": True}])
def test_what_is_not_offered_is_the_clients_error(
    served: Deployment, fields: dict[str, Any]
) -> None:
    with pytest.raises(openai.BadRequestError, match="is not supported"):
        ask(served, **fields)


def test_what_is_not_offered_is_named(served: Deployment) -> None:
    reply = served.client.post("/v1/responses", response("tiny", "go", previous_response_id="x"))

    assert reply.json()["message"].endswith("`previous_response_id` is not supported.")
