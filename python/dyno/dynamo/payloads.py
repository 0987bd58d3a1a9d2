"""Bodies of requests, as dictionaries: to be sent, or to be changed first.

Each builder takes what every such request needs, and any further field of the API by its name.
`max_tokens` is always there, because Dynamo's mocker refuses a request without it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from dyno.dynamo.scripts import replay

__all__ = [
    "Payload",
    "chat",
    "completion",
    "embedding",
    "message",
    "nvext",
    "response",
    "streamed",
    "tool",
]

Payload = dict[str, Any]

# Enough to be a reply, few enough that nobody waits.
MAX_TOKENS = 16


def chat(
    model: str,
    content: str | Sequence[Mapping[str, Any]],
    *,
    max_tokens: int = MAX_TOKENS,
    tools: Sequence[Payload] = (),
    top_logprobs: int | None = None,
    **fields: Any,
) -> Payload:
    """A body of `/v1/chat/completions`.

    Args:
        content: what the user says, or all messages.
        tools: what the model may call; see `tool`.
        top_logprobs: ask for the log probability of each token, and of so many others.
    """
    body: Payload = {"model": model, "messages": _messages(content), "max_tokens": max_tokens}
    if tools:
        body["tools"] = list(tools)
    if top_logprobs is not None:
        body |= {"logprobs": True, "top_logprobs": top_logprobs}
    return body | fields


def completion(
    model: str,
    prompt: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],
    *,
    max_tokens: int = MAX_TOKENS,
    **fields: Any,
) -> Payload:
    """A body of `/v1/completions`. A prompt is text or token ids, or several of either."""
    sent = prompt if isinstance(prompt, str) else list(prompt)
    return {"model": model, "prompt": sent, "max_tokens": max_tokens, **fields}


def response(
    model: str,
    content: str | Sequence[Mapping[str, Any]],
    *,
    max_tokens: int = MAX_TOKENS,
    **fields: Any,
) -> Payload:
    """A body of `/v1/responses`."""
    content = content if isinstance(content, str) else list(content)
    return {"model": model, "input": content, "max_output_tokens": max_tokens, **fields}


def embedding(model: str, content: str | Sequence[str], **fields: Any) -> Payload:
    """A body of `/v1/embeddings`."""
    content = content if isinstance(content, str) else list(content)
    return {"model": model, "input": content, **fields}


def message(
    model: str,
    content: str | Sequence[Mapping[str, Any]],
    *,
    max_tokens: int = MAX_TOKENS,
    **fields: Any,
) -> Payload:
    """A body of Anthropic's `/v1/messages`. The frontend has it only if it is told to."""
    return {"model": model, "messages": _messages(content), "max_tokens": max_tokens, **fields}


def streamed(payload: Payload, *, usage: bool = True) -> Payload:
    """The same request, answered by a stream.

    Args:
        usage: ask for the count of tokens at its end (OpenAI's chat and completions).
    """
    options = {"stream_options": {"include_usage": True}} if usage else {}
    return {**payload, "stream": True, **options}


def tool(name: str, description: str = "", **parameters: str) -> Payload:
    """A function that the model may call; its parameters, all required, by name and JSON type."""
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in parameters.items()},
        "required": list(parameters),
    }
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": schema},
    }


def nvext(
    *,
    tell_route: bool = False,
    reply: str | None = None,
    worker: int | None = None,
    dp_rank: int | None = None,
    annotations: Sequence[str] = (),
) -> Payload:
    """Dynamo's extension of the API, as a field of a body: `completion(..., **nvext(...))`, or as
    the `extra_body` of the official client.

    Args:
        tell_route: ask which workers served the request; see `route_of`.
        reply: the scripted reply to give.
        worker: the id of the worker to use, whatever the router thinks.
        dp_rank: the data-parallel rank of that worker. Without a worker Dynamo ignores it.
        annotations: what the stream is to tell besides, such as `formatted_prompt`.
    """
    fields: Payload = {}
    if tell_route:
        fields["extra_fields"] = ["worker_id", "timing"]
    asked = [*annotations, *([] if reply is None else [replay(reply)])]
    if asked:
        fields["annotations"] = asked
    if worker is not None:
        fields["backend_instance_id"] = worker
    if dp_rank is not None:
        fields["dp_rank"] = dp_rank
    return {"nvext": fields}


def _messages(content: str | Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"role": "user", "content": content}]
    return [dict(each) for each in content]
