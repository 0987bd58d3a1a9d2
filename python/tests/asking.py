"""Plays the side of `dyno` that asks a collector, or that tells a template how to collect."""

from __future__ import annotations

import json
import os
import socket
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from running import TIMEOUT, environment

BOOT = Path(__file__).parents[2] / "crates" / "dyno-runner" / "src" / "boot.py"
_LENGTH = struct.Struct(">I")


@dataclass
class Told:
    """What came back: messages by type (the last of each), and what was printed."""

    messages: list[dict[str, Any]]
    text: str

    def get(self, kind: str) -> dict[str, Any] | None:
        return next((m for m in reversed(self.messages) if m["type"] == kind), None)

    def __getitem__(self, kind: str) -> dict[str, Any]:
        message = self.get(kind)
        assert message is not None, f"no {kind} in {self.messages}\n{self.text}"
        return message

    @property
    def output(self) -> str:
        return "".join(m["text"] for m in self.messages if m["type"] == "output")

    @property
    def collection(self) -> dict[str, Any]:
        kind = "recorded" if self.get("recorded") else "collected"
        found: dict[str, Any] = self[kind]["collection"]
        return found

    def ids(self) -> list[str]:
        """Node ids in the final order."""
        tests = [test for file in self.collection["files"] for test in file["tests"]]
        tests += self.collection.get("late", [])
        return [tests[place]["id"] for place in self.collection["order"]]

    def test(self, id: str) -> dict[str, Any]:
        tests = [test for file in self.collection["files"] for test in file["tests"]]
        return next(test for test in tests if test["id"] == id)

    def record(self, file: str) -> dict[str, Any]:
        """What is put down to the file that ends so; nothing where it did nothing."""
        entries: list[dict[str, Any]] = self.collection["record"]["of"]
        if not file:
            return next((entry for entry in entries if not entry["file"]), {})
        return next(entry for entry in entries if entry["file"].endswith(f"/{file}"))


def ask(folder: Path, question: dict[str, Any], *args: str, **variables: str) -> Told:
    """Ask a collector that runs in ``folder``."""
    return _converse("dyno.collector", folder, question, args, variables)


def collect(folder: Path, *args: str, **variables: str) -> Told:
    return ask(folder, {"type": "collect"}, *args, **variables)


def template(folder: Path, how: dict[str, Any], *args: str) -> Told:
    """Let a template collect, and end its session before any test."""
    return _converse("dyno.template", folder, {"type": "collect", "input": "none", **how}, args, {})


def _converse(
    module: str,
    folder: Path,
    first: dict[str, Any],
    args: tuple[str, ...],
    variables: dict[str, str],
) -> Told:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(TIMEOUT)
        place = os.path.dirname(sys.executable)
        command = [sys.executable, "-c", BOOT.read_text(), str(theirs.fileno()), place, module]
        process = subprocess.Popen(
            [*command, *args],
            cwd=folder,
            env=environment(**variables),
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        theirs.close()
        _send(ours, first)
        messages = []
        with ours.makefile("rb") as stream:
            while length := stream.read(_LENGTH.size):
                message = json.loads(stream.read(_LENGTH.unpack(length)[0]))
                messages.append(message)
                if message["type"] == "collected" and module == "dyno.template":
                    _send(ours, {"type": "finish", "stop": None})
    text, _ = process.communicate(timeout=TIMEOUT)
    return Told(messages, text)


def _send(to: socket.socket, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    to.sendall(_LENGTH.pack(len(body)) + body)
