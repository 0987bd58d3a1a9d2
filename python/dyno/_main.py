"""What the interpreters that dyno starts have in common: their first word, and pytest's run."""

from __future__ import annotations

import atexit
import contextlib
import os
import socket
import sys
import threading
import traceback
from typing import NoReturn

import pytest

from dyno._wire import PROTOCOL, Connection

__all__ = ["greet", "keep_xdist_out", "leave", "run_pytest", "stop_session"]


def greet(descriptor: int) -> Connection:
    """The connection over ``descriptor``, with the first message sent."""
    os.set_inheritable(descriptor, False)
    connection = Connection(socket.socket(fileno=descriptor))
    connection.send(
        "hello",
        protocol=PROTOCOL,
        pid=os.getpid(),
        python=sys.version.split()[0],
        pytest=pytest.__version__,
    )
    return connection


def run_pytest(args: list[str], plugins: list[object]) -> int:
    """Run pytest and return the exit code that its own command would end with."""
    try:
        return int(pytest.main(args, plugins=plugins))
    except SystemExit as exit:
        # `--version` and usage errors of argparse leave this way.
        return exit.code if isinstance(exit.code, int) else 1
    except Exception as error:  # noqa: BLE001 - Python itself would print it and exit with 1
        # pytest 8 and 9.0 let a plugin that is not there out as it is, and Python exits with 1.
        if isinstance(error, ImportError) and "importing plugin" in str(error):
            sys.stderr.write(f"ERROR: {error}\n")
        else:
            traceback.print_exc()
        return 1


def leave(code: int) -> NoReturn:
    """End this process as Python does, but for taking the interpreter apart.

    That frees every object one by one, which after a fork copies every page of them first:
    a tenth of a second for pytest alone, seconds for large libraries. What has to be done
    at the end is done: threads are joined, what is registered at exit runs, Python's and C's,
    and what is buffered is written.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()
    try:
        from ctypes import PyDLL
    except ImportError:
        sys.exit(code)
    # It keeps Python's lock, so that no daemon thread runs meanwhile.
    PyDLL(None).exit(code)
    raise AssertionError("exit(3) returned")


def keep_xdist_out(config: pytest.Config) -> object:
    """Keep pytest-xdist from starting workers of its own. Returns its ``-n``."""
    if not hasattr(config.option, "numprocesses"):
        return None
    workers: object = config.option.numprocesses
    config.option.numprocesses = None
    config.option.dist = "no"
    config.option.tx = []
    return workers


def stop_session(session: pytest.Session, stop: dict[str, str] | None) -> None:
    """Let a session end as one that was stopped early (`dyno_wire::template::SessionStop`)."""
    match stop:
        case None:
            return
        case {"type": "failed", "reason": reason}:
            raise session.Failed(reason)
        case {"reason": reason}:
            raise session.Interrupted(reason)
