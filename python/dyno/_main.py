"""What the interpreters that dyno starts have in common: their first word, and pytest's run."""

from __future__ import annotations

import os
import socket
import sys
import traceback

import pytest

from dyno._wire import PROTOCOL, Connection

__all__ = ["greet", "keep_xdist_out", "run_pytest"]


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


def keep_xdist_out(config: pytest.Config) -> object:
    """Keep pytest-xdist from starting workers of its own. Returns its ``-n``."""
    if not hasattr(config.option, "numprocesses"):
        return None
    workers: object = config.option.numprocesses
    config.option.numprocesses = None
    config.option.dist = "no"
    config.option.tx = []
    return workers
