"""Streamed replies, as the official OpenAI client reads them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from openai.types import Completion, CompletionUsage
from openai.types.chat import ChatCompletionChunk

__all__ = ["Streamed", "collect_chat", "collect_completion"]


@dataclass
class Streamed:
    """What came over a stream, in the order in which it came."""

    pieces: list[str] = field(default_factory=list)
    finishes: list[str] = field(default_factory=list)
    usages: list[CompletionUsage] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)

    @property
    def text(self) -> str:
        """All pieces together."""
        return "".join(self.pieces)


def collect_chat(stream: Iterable[ChatCompletionChunk]) -> Streamed:
    """Reads a chat stream to its end."""
    streamed = Streamed()
    for chunk in stream:
        streamed.ids.add(chunk.id)
        if chunk.usage is not None:
            streamed.usages.append(chunk.usage)
        for choice in chunk.choices:
            if choice.delta.content:
                streamed.pieces.append(choice.delta.content)
            if choice.finish_reason is not None:
                streamed.finishes.append(choice.finish_reason)
    return streamed


def collect_completion(stream: Iterable[Completion]) -> Streamed:
    """Reads a completion stream to its end."""
    streamed = Streamed()
    for chunk in stream:
        streamed.ids.add(chunk.id)
        if chunk.usage is not None:
            streamed.usages.append(chunk.usage)
        for choice in chunk.choices:
            if choice.text:
                streamed.pieces.append(choice.text)
            # The client's type says that there always is one; before the last chunk there is none.
            if choice.finish_reason:
                streamed.finishes.append(choice.finish_reason)
    return streamed
