"""Replies that the mocker is told to give, so that a test knows the text it must see.

The mocker reads a trace of one JSON object a line and gives a request the tokens of the line whose
`request_id` the request names in its `nvext.annotations`. It gives all of them: `max_tokens` does
not shorten a scripted reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from tests.utils.model import TinyModel

__all__ = ["Replies", "replay"]

# What each scripted reply says, by the name that a request gives.
Replies = Mapping[str, str]


def write_trace(path: Path, replies: Replies, model: TinyModel) -> None:
    """Writes the trace that `--response-replay-trace-path` reads."""
    with path.open("w") as trace:
        for name, text in replies.items():
            ids = model.encode(text)
            assert model.decode(ids) == text, f"reply {name} does not survive the tokenizer"
            row = {"request_id": name, "output_length": len(ids), "output_token_ids": ids}
            trace.write(json.dumps(row) + "\n")


def replay(name: str) -> str:
    """The annotation that asks for a scripted reply."""
    return f"output_replay_id:{name}"
