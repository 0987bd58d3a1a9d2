"""What is done to a whole reply of the frontend on its way to the client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

__all__ = [
    "Reply",
    "choices_reversed",
    "ended_its_turn",
    "error_without_cause",
    "finished_by_itself",
    "in_json",
    "in_metrics",
    "models_twice",
    "one_more_completion_token",
    "one_prompt_token_fewer",
    "other_status",
    "whole_hit_rate",
    "without_instances",
]

Change = Callable[[dict[str, Any]], None]


@dataclass(frozen=True)
class Reply:
    """A reply that is no stream."""

    status: int
    content_type: str
    body: bytes


def in_json(change: Change) -> Callable[[Reply], Reply]:
    """Changes the object that a reply is; leaves all other replies."""

    def changed(reply: Reply) -> Reply:
        if not reply.content_type.startswith("application/json"):
            return reply
        found = json.loads(reply.body)
        if isinstance(found, dict):
            change(found)
        return replace(reply, body=json.dumps(found).encode())

    return changed


def in_metrics(old: bytes, new: bytes) -> Callable[[Reply], Reply]:
    """Replaces text in pages of metrics."""

    def changed(reply: Reply) -> Reply:
        if not reply.content_type.startswith("text/plain"):
            return reply
        return replace(reply, body=reply.body.replace(old, new))

    return changed


def other_status(status: int, instead: int) -> Callable[[Reply], Reply]:
    """Answers with another status."""

    def changed(reply: Reply) -> Reply:
        return replace(reply, status=instead) if reply.status == status else reply

    return changed


def one_more_completion_token(found: dict[str, Any]) -> None:
    """`completion_tokens` and the sum are one too large."""
    if usage := found.get("usage"):
        usage["completion_tokens"] += 1
        usage["total_tokens"] += 1


def one_prompt_token_fewer(found: dict[str, Any]) -> None:
    """`prompt_tokens` and the sum are one too small."""
    if usage := found.get("usage"):
        usage["prompt_tokens"] -= 1
        usage["total_tokens"] -= 1


def whole_hit_rate(found: dict[str, Any]) -> None:
    """Whoever asks for its route is told that all of its prompt was cached."""
    for place in _dictionaries(found):
        if "kv_hit_rate" in place:
            place["kv_hit_rate"] = 1.0


def finished_by_itself(found: dict[str, Any]) -> None:
    """`length` becomes `stop`."""
    for choice in found.get("choices", ()):
        if choice.get("finish_reason") == "length":
            choice["finish_reason"] = "stop"


def choices_reversed(found: dict[str, Any]) -> None:
    """The last choice comes first."""
    if choices := found.get("choices"):
        choices.reverse()


def error_without_cause(found: dict[str, Any]) -> None:
    """The message is the same for every error."""
    if {"message", "code"} <= found.keys():
        found["message"] = "Bad request"


def models_twice(found: dict[str, Any]) -> None:
    """Each model is in the list twice."""
    if found.get("object") == "list":
        found["data"] = [each for each in found["data"] for _ in range(2)]


def without_instances(found: dict[str, Any]) -> None:
    """The page of health knows nobody."""
    if "instances" in found:
        found["instances"] = []


def ended_its_turn(found: dict[str, Any]) -> None:
    """A message that `max_tokens` has cut ends by itself."""
    if found.get("stop_reason") == "max_tokens":
        found["stop_reason"] = "end_turn"


def _dictionaries(found: Any) -> list[dict[str, Any]]:
    if isinstance(found, dict):
        return [found, *(each for value in found.values() for each in _dictionaries(value))]
    if isinstance(found, list):
        return [each for value in found for each in _dictionaries(value)]
    return []
