"""Traffic of every kind at once, and what each of it must come to."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from dyno.dynamo import chat, completion, nvext, streamed

from tests.utils.deployment import Deployment
from tests.utils.load import Answer, Ask, Load

__all__ = ["REPLIES", "ROUTED", "Mixed", "expected_counts", "lost", "tokens_wrong"]

CHAT = "/v1/chat/completions"
TEXT = "/v1/completions"

REPLIES = {f"reply-{n}": f"this is reply {n}, and no other: {'fox ' * n}." for n in range(16)}

# 1.4 s at the mocker's default speed. Not longer: the mocker finishes what nobody waits for any
# more (docs/findings.md, F35), and keeps blocks for it.
LEFT_TOKENS = 2000
LEAVES_AFTER = 2

# How each kind of request ends, as the frontend counts.
ENDS = {
    "whole": "success",
    "chat": "success",
    "streamed": "success",
    "refused": "validation",
    "absent": "not_found",
    "left": "cancelled",
}

#: What reaches a worker.
ROUTED = {"whole", "chat", "streamed", "left"}

STATUS = {"refused": 400, "absent": 404}


@dataclass(frozen=True)
class Mixed:
    """The request of each number: of twenty, six whole texts, six whole and five streamed chats,
    one each that is refused, that asks for an absent model, and whose client leaves."""

    model: str

    def __call__(self, number: int) -> Ask:
        turn = number % 20
        name = f"reply-{number % len(REPLIES)}"
        # Some prompts share a prefix and some do not, so that the router has something to learn.
        prompt = f"{number % 50} {'the lazy dog ' * (number % 7)}{number}"
        said = nvext(reply=name)
        if turn < 6:
            body = completion(self.model, prompt, **said)
            return Ask(TEXT, body, "whole", REPLIES[name])
        if turn < 12:
            return Ask(CHAT, chat(self.model, prompt, **said), "chat", REPLIES[name])
        if turn < 17:
            body = streamed(chat(self.model, prompt, **said))
            return Ask(CHAT, body, "streamed", REPLIES[name])
        if turn == 17:
            return Ask(CHAT, chat(self.model, prompt, max_tokens=0), "refused")
        if turn == 18:
            return Ask(CHAT, chat("absent", prompt), "absent")
        body = streamed(completion(self.model, prompt, max_tokens=LEFT_TOKENS))
        return Ask(TEXT, body, "left", leave_after=LEAVES_AFTER)


def lost(load: Load) -> list[Answer]:
    """The requests that did not come to what they had to."""
    return [answer for answer in load.answers if not _is_as_expected(answer)]


def _is_as_expected(answer: Answer) -> bool:
    ask = answer.ask
    if answer.error is not None or answer.status != STATUS.get(ask.kind, 200):
        return False
    return ask.kind == "left" or answer.text == ask.expected


def tokens_wrong(load: Load, deployment: Deployment) -> list[Answer]:
    """The replies whose usage is not their number of tokens."""
    tokens = {text: len(deployment.model.encode(text)) for text in REPLIES.values()}
    return [
        answer
        for answer in load.answers
        if answer.ask.expected and answer.tokens != tokens[answer.ask.expected]
    ]


def expected_counts(load: Load) -> Counter[str]:
    """What the frontend must have counted."""
    return Counter(ENDS[answer.ask.kind] for answer in load.answers)
