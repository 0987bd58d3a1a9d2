"""A mocker whose model is said to call tools.

Which parser finds the calls in a reply is for the worker to say. Real engines take it from their
command line; Dynamo's mocker has no such option, so this starts it with one more line in what it
announces. What it generates stays the mocker's, or what a test scripts.
"""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dyno.dynamo import MockerSpec

__all__ = ["ParsingMockerSpec"]

PARSER = "PARSING_MOCKER_PARSER"

# Of the package `tests`.
ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class ParsingMockerSpec(MockerSpec):
    """A mocker that names a parser; see `--dyn-tool-call-parser` of Dynamo's engines."""

    parser: str = "hermes"

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return __name__

    def environment(self) -> dict[str, str]:
        """The parser, and where this module is."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        return {"PYTHONPATH": path, PARSER: self.parser}


def main() -> None:
    """Runs the mocker."""
    mocker: Any = importlib.import_module("dynamo.mocker.main")
    built = mocker.build_runtime_config

    def build(engine_args: object) -> tuple[int, Any]:
        block_size, config = built(engine_args)
        config.tool_call_parser = os.environ[PARSER]
        return block_size, config

    mocker.build_runtime_config = build
    mocker.main()


if __name__ == "__main__":
    main()
