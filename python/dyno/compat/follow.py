"""Shows a log as it grows, with a word before each line; a program of its own.

    python follow.py LOG PREFIX PARENT

It ends when its standard input does, or its parent, once it has shown what there is. It loads
nothing of dyno: starting it must cost little.
"""

from __future__ import annotations

import os
import select
import signal
import sys

# Seconds between two looks at the log: to a reader at once, to the processor nothing.
_LOOK = 0.05

# A line that is longer is shown in pieces.
_LONGEST_LINE = 1 << 16


def _follow(log: str, prefix: bytes, parent: int) -> None:
    line, begun = b"", False
    with open(log, "rb", buffering=0) as file:
        while True:
            # Looked at first, so that what was written before the end is read after it.
            over = bool(select.select([0], [], [], _LOOK)[0]) or os.getppid() != parent
            while piece := file.read(1 << 16):
                *lines, line = (line + piece).split(b"\n")
                for each in lines:
                    _say((b"" if begun else prefix) + each + b"\n")
                    begun = False
                if len(line) > _LONGEST_LINE:
                    _say((b"" if begun else prefix) + line)
                    line, begun = b"", True
            if over:
                break
    if line or begun:
        _say((b"" if begun else prefix) + line + b"\n")


def _say(text: bytes) -> None:
    while text:
        text = text[os.write(1, text) :]


if __name__ == "__main__":
    # Ctrl-C is for the tests; the last words of their servers are still to be shown.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        _follow(sys.argv[1], os.fsencode(sys.argv[2]), int(sys.argv[3]))
    except OSError:
        os._exit(1)  # Nobody looks any more.
