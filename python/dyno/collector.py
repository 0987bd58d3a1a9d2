"""The collector: pytest, asked what its environment brings or what it collects.

Started by ``dyno``, never by hand, as the template is. It is told one thing, answers and
ends; no test is run. `dyno_wire::collector` describes the conversation.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import pytest

from dyno._collection import Collection
from dyno._main import greet, keep_xdist_out, run_pytest
from dyno._probe import Probe
from dyno._pruning import Pruning
from dyno._recorder import Recorder
from dyno._wire import Connection, as_sent

__all__ = ["main"]


def main(descriptor: int, args: list[str]) -> int:
    """Do what the asker says. ``descriptor`` is its socket."""
    asker = greet(descriptor)
    match asker.receive():
        case {"type": "probe"}:
            probe = Probe(list(sys.path), lambda found: asker.send("probed", environment=found))
            # No conftest and no ini file: what they add is the project's, and is read as text.
            bare = ["-c", os.devnull, "--rootdir", os.curdir, "--noconftest"]
            code = run_pytest([*bare, *args], [probe])
        case {"type": "collect", **how}:
            code = _collect(asker, args, how.get("import"))
        case message:
            raise ValueError(f"not a question: {message}")
    sys.stdout.flush()
    sys.stderr.flush()
    asker.send("done", code=code & 0xFF)
    asker.close()
    return code


def _collect(asker: Connection, args: list[str], imported: list[str] | None) -> int:
    recorder = Recorder()
    tell = Collection(recorder, lambda found: asker.send("collected", collection=found))
    plugins: list[object] = [tell, _OnlyCollect()]
    if imported is not None:
        wanted = frozenset(imported)
        plugins.append(Pruning(lambda path: as_sent(path) not in wanted, remembers=False))
    recorder.start()
    try:
        return run_pytest([*args, "--collect-only"], plugins)
    finally:
        recorder.stop()


class _OnlyCollect:
    """The pytest plugin that lets a collection leave nothing behind."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> None:
        keep_xdist_out(config)

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        # Failures of a collection that nobody ran are not for `--lf` to remember.
        cache: Any = getattr(config, "cache", None)
        if cache is not None:
            cache.set = lambda *_: None
