"""What came back, as typed views that refuse what no client should have to accept.

The views take decoded JSON, so that it does not matter which client has received it. An
`InvalidReply` is an `AssertionError`: in a test it is a failure, not an error of the test.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from dyno.dynamo.client import Reply

if TYPE_CHECKING:
    from typing import TypeGuard

__all__ = [
    "ApiError",
    "InvalidReply",
    "Route",
    "StreamedReply",
    "Usage",
    "error_of",
    "finish_of",
    "route_of",
    "text_of",
    "tokens_of",
    "usage_of",
]

Json = Mapping[str, Any]


class InvalidReply(AssertionError):
    """A reply that breaks a rule of its API; the message says which."""


@dataclass(frozen=True)
class Usage:
    """The tokens of a prompt and of its reply."""

    prompt_tokens: int
    completion_tokens: int

    @property
    def total_tokens(self) -> int:
        """Both."""
        return self.prompt_tokens + self.completion_tokens


@dataclass(frozen=True)
class StreamedReply:
    """What the whole of a stream says, for one choice; see `dyno.dynamo.streams`.

    Attributes:
        pieces: its text as it came, empty pieces left out.
        finish: why it ended.
        usage: its tokens, where the request asked for them.
        tool_calls: the calls that it makes, put together.
    """

    id: str
    model: str
    pieces: tuple[str, ...]
    finish: str
    usage: Usage | None
    tool_calls: tuple[tuple[str, str], ...] = ()

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


@dataclass(frozen=True)
class ApiError:
    """A refused request, in the words of the server."""

    status: int
    message: str
    type: str


@dataclass(frozen=True)
class Route:
    """Who served a request.

    `kv_hit_rate` is the share of the prompt's blocks, partial ones included, that the chosen
    worker was known to hold. Workers are ids; one that does both is named twice, or for decoding
    alone.
    """

    prefill_worker: int | None
    decode_worker: int
    kv_hit_rate: float

    @property
    def disaggregated(self) -> bool:
        """Whether two workers shared the work."""
        return self.prefill_worker not in (None, self.decode_worker)


def usage_of(reply: Json) -> Usage:
    """The tokens that a whole reply, or the last chunk of a stream, counts.

    Raises:
        InvalidReply: it counts none, or the total is not the sum.
    """
    counted = reply.get("usage")
    if not isinstance(counted, Mapping):
        raise InvalidReply(f"no usage in {reply}")
    # OpenAI's completions; OpenAI's responses and Anthropic's messages.
    names = ("prompt_tokens", "completion_tokens")
    if names[0] not in counted:
        names = ("input_tokens", "output_tokens")
    prompt, reply_tokens = (counted.get(name) for name in names)
    if not (_is_count(prompt) and _is_count(reply_tokens)):
        raise InvalidReply(f"{names} are no counts in {counted}")
    usage = Usage(prompt, reply_tokens)
    if counted.get("total_tokens", usage.total_tokens) != usage.total_tokens:
        raise InvalidReply(f"the total is not the sum in {counted}")
    return usage


def tokens_of(reply: Json) -> int:
    """How many tokens a whole reply has, by its own count.

    Raises:
        InvalidReply: as `usage_of`.
    """
    return usage_of(reply).completion_tokens


def text_of(reply: Json) -> str:
    """The text of a whole reply of any of the APIs; of a chat message that only calls tools, "".

    Raises:
        InvalidReply: there is not exactly one.
    """
    if "choices" in reply:
        choice = _only_choice(reply)
        text = choice["message"].get("content") if "message" in choice else choice.get("text")
        return str(text or "")
    blocks = reply.get("content")
    if "output" in reply:
        blocks = [block for item in reply["output"] for block in item.get("content", ()) if block]
    if not isinstance(blocks, list):
        raise InvalidReply(f"no text in {reply}")
    return "".join(str(block["text"]) for block in blocks if "text" in block)


def finish_of(reply: Json) -> str:
    """Why the one choice of a whole chat or text completion ended.

    Raises:
        InvalidReply: it does not say, or there is not exactly one choice.
    """
    finish = _only_choice(reply).get("finish_reason")
    if not isinstance(finish, str):
        raise InvalidReply(f"no finish reason in {reply}")
    return finish


def error_of(reply: Reply) -> ApiError:
    """The error that a refusal tells: in OpenAI's shape (`{"error": {"message", "type", ...}}`), or
    in Dynamo's, which is the same without the outer object.

    Raises:
        InvalidReply: the status is below 400, the body is no such error, or its numeric code is
            not the status.
    """
    if reply.status < 400:
        raise InvalidReply(f"status {reply.status} is no refusal: {reply.body[:500]!r}")
    try:
        body = reply.json()
    except ValueError as error:
        raise InvalidReply(f"an error that is no JSON: {reply.body[:500]!r}") from error
    told = body.get("error", body) if isinstance(body, dict) else None
    if not isinstance(told, dict) or not all(
        isinstance(told.get(field), str) and told[field] for field in ("message", "type")
    ):
        raise InvalidReply(f"an error without a message and a type: {body}")
    if isinstance(told.get("code"), int) and told["code"] != reply.status:
        raise InvalidReply(f"status {reply.status} with the code of another: {body}")
    return ApiError(reply.status, told["message"], told["type"])


def route_of(reply: Json) -> Route:
    """The route of a reply that was asked to tell it (`nvext(tell_route=True)`). Dynamo tells it in
    the router mode `kv` alone.

    Raises:
        InvalidReply: it does not.
    """
    try:
        told = reply["nvext"]
        workers = told["worker_id"]
        return Route(
            prefill_worker=workers.get("prefill_worker_id"),
            decode_worker=workers["decode_worker_id"],
            kv_hit_rate=told["timing"]["kv_hit_rate"],
        )
    except (KeyError, TypeError) as error:
        raise InvalidReply(f"no route in {reply}") from error


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and value >= 0


def _only_choice(reply: Json) -> Json:
    choices = reply.get("choices")
    if not isinstance(choices, list) or len(choices) != 1:
        raise InvalidReply(f"not one choice: {reply}")
    choice: Json = choices[0]
    return choice
