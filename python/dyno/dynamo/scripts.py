"""Replies that the mocker is told to give, so that a test knows the text it must see.

The mocker's own tokens are random. It reads a trace of one JSON object a line and gives a request
the tokens of the line whose `request_id` the request names in its `nvext.annotations`. It gives all
of them: `max_tokens` does not shorten a scripted reply.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Script", "replay", "write_script"]

# The token ids of each scripted reply, by the name that a request gives.
Script = Mapping[str, Sequence[int]]


def write_script(path: Path, script: Script) -> None:
    """Writes the trace that `--response-replay-trace-path` reads."""
    with path.open("w") as trace:
        for name, tokens in script.items():
            row = {
                "request_id": name,
                "output_length": len(tokens),
                "output_token_ids": list(tokens),
            }
            trace.write(json.dumps(row) + "\n")


def replay(name: str) -> str:
    """The annotation that asks for a scripted reply."""
    return f"output_replay_id:{name}"
