"""Tools: what a model says becomes calls for the client, whole and streamed."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from dyno.dynamo import chat, nvext, read_chat_stream, streamed, tool

from tests.frontend.calls import PARIS, REPLIES, ROME, SAID, TEXT
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

CHAT = "/v1/chat/completions"
WEATHER = tool("weather", "tells it", city="string")

#: The calls of each reply, as arguments of `weather`, and the text beside them.
SAYS: dict[str, tuple[list[str], str]] = {
    "call": ([PARIS], ""),
    "two calls": ([PARIS, ROME], ""),
    "text and call": ([PARIS], SAID.strip()),
    "text": ([], TEXT),
}


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(ParsingMockerSpec(), replies=REPLIES)


def ask(served: Deployment, reply: str, **fields: Any) -> Any:
    """The one choice of a whole reply, as the official client reads it."""
    tools: Any = [WEATHER]
    messages: Any = [{"role": "user", "content": "how is the weather?"}]
    asked = {"tools": tools, **fields}
    (choice,) = served.openai.chat.completions.create(
        model=served.model.name,
        messages=messages,
        max_tokens=200,
        extra_body=nvext(reply=reply),
        **asked,
    ).choices
    return choice


def calls_of(choice: Any) -> list[tuple[str, str]]:
    calls = choice.message.tool_calls or []
    return [(call.function.name, call.function.arguments) for call in calls]


@pytest.mark.parametrize("reply", SAYS)
def test_whole_reply_has_the_calls_and_the_text(served: Deployment, reply: str) -> None:
    arguments, text = SAYS[reply]
    choice = ask(served, reply)

    assert calls_of(choice) == [("weather", each) for each in arguments]
    assert (choice.message.content or "").strip() == text
    assert (choice.finish_reason == "tool_calls") is bool(arguments)


def test_each_call_has_an_id_of_its_own(served: Deployment) -> None:
    calls = ask(served, "two calls").message.tool_calls

    assert [call.type for call in calls] == ["function", "function"]
    assert len({call.id for call in calls}) == 2


@pytest.mark.parametrize("reply", SAYS)
def test_stream_says_the_same(served: Deployment, reply: str) -> None:
    arguments, text = SAYS[reply]
    asked = chat("tiny", "go", max_tokens=200, tools=[WEATHER], **nvext(reply=reply))
    with served.client.stream(CHAT, streamed(asked)) as events:
        told = read_chat_stream(events)

    assert list(told.tool_calls) == [("weather", each) for each in arguments]
    assert told.text.strip() == text
    # Nothing of the model's own syntax comes through.
    assert "tool_call" not in told.text


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="the stream of Dynamo 1.4.2 keeps the engine's reason: docs/findings.md, F50",
)
def test_stream_ends_for_the_same_reason_as_the_whole_reply(served: Deployment) -> None:
    whole = ask(served, "call").finish_reason
    if whole != "tool_calls":
        pytest.fail(f"the whole reply ends with {whole}")
    asked = chat("tiny", "go", max_tokens=200, tools=[WEATHER], **nvext(reply="call"))
    with served.client.stream(CHAT, streamed(asked)) as events:
        assert read_chat_stream(events).finish == whole


@pytest.mark.parametrize(
    ("choice", "reply"),
    [
        ("required", "bare"),
        ("required", "call"),
        ({"type": "function", "function": {"name": "weather"}}, "arguments"),
    ],
    ids=["required-json", "required-tagged", "named"],
)
def test_call_that_is_asked_for_is_made(served: Deployment, choice: Any, reply: str) -> None:
    assert calls_of(ask(served, reply, tool_choice=choice)) == [("weather", PARIS)]


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 looks for calls whatever is asked: docs/findings.md, F51",
)
@pytest.mark.parametrize(
    "fields",
    [{"tool_choice": "none"}, {"tools": openai.omit}],
    ids=["choice-none", "no-tools"],
)
def test_nothing_is_called_that_was_not_offered(served: Deployment, fields: dict[str, Any]) -> None:
    assert calls_of(ask(served, "call", **fields)) == []


def test_conversation_goes_on_with_what_the_tool_said(served: Deployment) -> None:
    first = ask(served, "call")
    (call,) = first.message.tool_calls
    messages: Any = [
        {"role": "user", "content": "how is the weather?"},
        first.message.model_dump(exclude_none=True),
        {"role": "tool", "tool_call_id": call.id, "content": "sunny"},
    ]
    then = served.openai.chat.completions.create(
        model=served.model.name, messages=messages, max_tokens=100, extra_body=nvext(reply="text")
    )

    assert [choice.message.content for choice in then.choices] == [TEXT]
    # What the tool said is part of the prompt.
    assert then.usage is not None
    shorter = served.openai.chat.completions.create(
        model=served.model.name, messages=messages[:2], max_tokens=1
    )
    assert shorter.usage is not None
    assert then.usage.prompt_tokens > shorter.usage.prompt_tokens


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"tool_choice": {"type": "function", "function": {"name": "other"}}},
            '"other" in tool_choice is not present in tools',
        ),
        ({"tool_choice": "required", "tools": openai.omit}, "tools is empty"),
        ({"tools": [{"type": "function", "function": {}}]}, "missing field `name`"),
    ],
    ids=["unknown-tool", "required-of-none", "nameless"],
)
def test_tools_that_make_no_sense_are_refused(
    served: Deployment, fields: dict[str, Any], message: str
) -> None:
    with pytest.raises(openai.BadRequestError, match=message):
        ask(served, "text", **fields)
