"""Chat completions: text, streaming, the prompt template, usage."""

from __future__ import annotations

import json

import pytest
from dyno.dynamo import nvext, sse_events
from openai.types.chat import ChatCompletionMessageParam

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.streams import collect_chat

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

FOX = "the quick brown fox jumps over the lazy dog."
# Every character but the first takes several bytes, and the tokenizer knows none of them: their
# tokens are single bytes, so a chunk cut at a token ends within a character.
MULTIBYTE = "a\u00ef\u6f22\u5b57\U0001f98a."

REPLIES = {"fox": FOX, "multibyte": MULTIBYTE}

HELLO: list[ChatCompletionMessageParam] = [{"role": "user", "content": "hello, fox"}]


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(replies=REPLIES)


@pytest.mark.parametrize("reply", REPLIES)
def test_reply_has_the_text_that_the_engine_generated(served: Deployment, reply: str) -> None:
    text = REPLIES[reply]
    completion = served.openai.chat.completions.create(
        model=served.model.name, messages=HELLO, max_tokens=100, extra_body=nvext(reply=reply)
    )

    assert completion.object == "chat.completion"
    assert completion.model == served.model.name
    (choice,) = completion.choices
    assert choice.message.role == "assistant"
    assert choice.message.content == text
    assert choice.finish_reason == "length"
    assert completion.usage is not None
    assert completion.usage.completion_tokens == len(served.model.encode(text))


def test_stream_brings_one_token_a_chunk(served: Deployment) -> None:
    stream = served.openai.chat.completions.create(
        model=served.model.name,
        messages=HELLO,
        max_tokens=100,
        stream=True,
        extra_body=nvext(reply="fox"),
    )
    streamed = collect_chat(stream)

    assert streamed.pieces == [served.model.decode([token]) for token in served.model.encode(FOX)]
    assert streamed.finishes == ["length"]
    assert len(streamed.ids) == 1


def test_stream_never_cuts_a_character(served: Deployment) -> None:
    stream = served.openai.chat.completions.create(
        model=served.model.name,
        messages=HELLO,
        max_tokens=100,
        stream=True,
        extra_body=nvext(reply="multibyte"),
    )
    streamed = collect_chat(stream)

    assert streamed.text == MULTIBYTE
    assert all("\ufffd" not in piece for piece in streamed.pieces)


def test_stream_ends_with_usage_if_asked(served: Deployment) -> None:
    stream = served.openai.chat.completions.create(
        model=served.model.name,
        messages=HELLO,
        max_tokens=9,
        stream=True,
        stream_options={"include_usage": True},
    )
    chunks = list(stream)

    assert [chunk.usage is not None for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert chunks[-1].choices == []
    usage = chunks[-1].usage
    assert usage is not None
    assert usage.completion_tokens == 9
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_stream_tells_no_usage_unasked(served: Deployment) -> None:
    stream = served.openai.chat.completions.create(
        model=served.model.name, messages=HELLO, max_tokens=9, stream=True
    )

    assert collect_chat(stream).usages == []


def test_stream_on_the_wire_is_json_events_and_a_done(served: Deployment) -> None:
    reply = served.client.post(
        "/v1/chat/completions",
        {"model": served.model.name, "messages": HELLO, "max_tokens": 4, "stream": True},
    )

    assert reply.status == 200
    assert reply.content_type.startswith("text/event-stream")
    *chunks, done = [event.data for event in sse_events(reply.text)]
    assert done == "[DONE]"
    assert {json.loads(chunk)["object"] for chunk in chunks} == {"chat.completion.chunk"}


def test_prompt_is_the_templated_conversation_and_is_counted_in_tokens(served: Deployment) -> None:
    said = ["be brief", "who jumps?", "the fox", "over whom?"]
    roles = ["system", "user", "assistant", "user"]
    reply = served.client.post(
        "/v1/chat/completions",
        {
            "model": served.model.name,
            "messages": [
                {"role": role, "content": text} for role, text in zip(roles, said, strict=True)
            ],
            "max_tokens": 1,
            "stream": True,
            "stream_options": {"include_usage": True},
            "nvext": {"annotations": ["formatted_prompt", "token_ids"]},
        },
    )

    events = sse_events(reply.text)
    notes = {event.event: json.loads(event.comment) for event in events if event.event}
    prompt, token_ids = notes["formatted_prompt"], json.loads(notes["token_ids"])
    places = [prompt.index(text) for text in said]
    assert places == sorted(places)
    assert token_ids == served.model.encode(prompt)
    usages = [json.loads(e.data).get("usage") for e in events if e.data not in ("", "[DONE]")]
    assert usages[-1]["prompt_tokens"] == len(token_ids)
