"""What stays visible behind the walls of a sandbox, whose ``/tmp`` and ``/dev/shm`` are its own."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator

import pytest

from dyno import _pytest_private as private

__all__ = ["needed"]

_OWN = ("/tmp", "/dev/shm")


def needed(config: pytest.Config, since: float) -> list[str]:
    """What below ``/tmp`` and ``/dev/shm`` tests may name: the project, what the interpreter
    imports from, what the environment and the command line name, and all that has been made
    there ``since`` the run began, because a conftest may have."""
    named = [
        os.getcwd(),
        str(config.rootpath),
        private.claim_numbered_folder(config),
        *(str(path) for path in config.invocation_params.args),
        *config.args,
        *sys.path,
        *(sys.prefix, sys.base_prefix, sys.exec_prefix, sys.executable),
        *os.environ.values(),
    ]
    pieces = (piece for value in named for piece in (value, *re.split("[:=]", value)))
    own = (os.path.abspath(piece.partition("::")[0]) for piece in pieces if piece)
    paths = {path for path in own if path.startswith(tuple(f"{place}/" for place in _OWN))}
    return sorted({*filter(os.path.lexists, paths), *_made(since)})


def _made(since: float) -> Iterator[str]:
    for place in _OWN:
        if not os.path.isdir(place):
            continue
        with os.scandir(place) as entries:
            for entry in entries:
                try:
                    changed = entry.stat(follow_symlinks=False).st_ctime
                except OSError:
                    continue  # Somebody removed it meanwhile.
                if changed >= since:
                    yield entry.path
