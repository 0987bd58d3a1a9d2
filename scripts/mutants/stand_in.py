#!/usr/bin/env python3
"""Stands in for the interpreter that runs Dynamo, and starts a broken one.

The suite is given this file as `DYNAMO_PYTHON`. Its fixtures call it as they call an interpreter,
with `-m MODULE ARGUMENT...`, and it becomes that module with the arguments that the breakage named
by `DYNO_BREAKAGE` makes of them. `none` breaks nothing, but has all in place that others use: what
fails then is the harness's fault.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import breakages
import door

__all__: list[str] = []

# The frontend's own address behind a door. Its port is the same: who has it at 127.0.0.1 has it.
INSIDE = "127.0.0.2"

SCRIPT = "--response-replay-trace-path"
HOST, PORT, TLS = "--http-host", "--http-port", "--tls-cert-path"

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Becomes what it was asked for, or serves before it."""
    if sys.argv[1:2] != ["-m"]:
        become(sys.argv[1:])
    name = os.environ["DYNO_BREAKAGE"]
    breakage = breakages.NONE if name == breakages.NONE.name else breakages.BREAKAGES[name]
    module, *arguments = sys.argv[2:]
    if breakage.options is not None:
        arguments = breakage.options.apply(module, arguments)
    if breakage.words is not None and SCRIPT in arguments:
        place = arguments.index(SCRIPT) + 1
        arguments[place] = str(rewritten(Path(arguments[place]), breakage.words))
    # A door speaks no TLS.
    if breakage.at_the_door and module == breakages.FRONTEND and TLS not in arguments:
        stand_before(breakage, arguments)
    become(["-m", module, *arguments])


def become(arguments: list[str]) -> None:
    """Runs the real interpreter in the place of this one."""
    os.execv(sys.executable, [sys.executable, *arguments])


def rewritten(script: Path, words: Callable[[list[int]], list[int]]) -> Path:
    """A script beside that of the replies, with each reply changed."""
    rows = [json.loads(line) for line in script.read_text().splitlines()]
    for row in rows:
        row["output_token_ids"] = words(row["output_token_ids"])
        row["output_length"] = len(row["output_token_ids"])
    # Each worker writes its own.
    broken = script.with_name(f"broken-{os.getpid()}.jsonl")
    broken.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return broken


def stand_before(breakage: breakages.Breakage, arguments: list[str]) -> None:
    """Starts the frontend at another address, serves in its place, and ends when it does."""
    port = int(arguments[arguments.index(PORT) + 1])
    host = arguments.index(HOST) + 1
    outside, arguments[host] = arguments[host], INSIDE
    frontend = subprocess.Popen(
        [sys.executable, "-m", breakages.FRONTEND, *arguments], preexec_fn=end_with_parent
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda got, _frame: frontend.send_signal(got))
    signal.signal(signal.SIGCHLD, lambda _got, _frame: os._exit(exit_code(frontend)))
    door.serve(breakage, (outside, port), (INSIDE, port))


def end_with_parent() -> None:
    """A frontend whose door was killed is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def exit_code(frontend: subprocess.Popen[bytes]) -> int:
    """That of the frontend, as a shell says it."""
    code = frontend.wait()
    return code if code >= 0 else 128 - code


if __name__ == "__main__":
    main()
