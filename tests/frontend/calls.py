"""Replies that call a tool, in the words of the model and as a client is to see them."""

from __future__ import annotations

__all__ = ["PARIS", "REPLIES", "ROME", "SAID", "TEXT"]

PARIS = '{"city": "Paris"}'
ROME = '{"city": "Rome"}'
SAID = "let me see. "
TEXT = "no call, only the quick brown fox."


def _call(arguments: str) -> str:
    """What a model of the Hermes family says to call the tool `weather`."""
    return f'<tool_call>\n{{"name": "weather", "arguments": {arguments}}}\n</tool_call>'


#: For the script of a deployment. `bare` and `arguments` are what an engine says that was made to
#: call a tool, or a certain one.
REPLIES = {
    "call": _call(PARIS),
    "two calls": f"{_call(PARIS)}\n{_call(ROME)}",
    "text and call": SAID + _call(PARIS),
    "text": TEXT,
    "bare": f'[{{"name": "weather", "parameters": {PARIS}}}]',
    "arguments": PARIS,
}
