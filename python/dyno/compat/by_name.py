"""Ends processes by their name, as suites ask for, of those that are the session's own."""

from __future__ import annotations

import logging
import os
from collections.abc import Collection

from dyno.compat.kin import Kin, end_trees, find, look, own_and_strangers
from dyno.compat.shown import followers
from dyno.fixtures.errors import BenchError
from dyno.fixtures.process import Process

__all__ = ["end_by_name", "end_tree", "note_process", "own_process"]

# What agents of this process have been asked to start, by its id: they end it, with all that came
# from it.
_started: dict[int, Process] = {}

# The names and texts of which it has been said that a stranger has them.
_said: set[str] = set()


def note_process(process: Process) -> None:
    """Know a process that has been started."""
    _started[process.pid] = process


def own_process(pid: int) -> Process | None:
    """What has been started under this id, if it still is that."""
    process = _started.get(pid)
    try:
        return process if process is not None and process.is_running() else None
    except BenchError:  # Its agent knows it no more.
        return None


def end_by_name(
    names: Collection[str], commands: Collection[str], grace: float, logger: logging.Logger
) -> None:
    """End what has one of the names, or one of the texts in its command. Strangers are left alone;
    that a name or text is theirs too is logged once, with who they are."""
    found = _found(names, commands)
    everyone = {one for ones in found.values() for one in ones}
    if not everyone:
        return
    own, strangers = own_and_strangers(everyone, _agents(), followers())
    for one in own:
        logger.info("ending process %d (%s)", one.pid, one.name())
    _end(own, grace, logger)
    for text, ones in found.items():
        theirs = [one for one in ones if one in strangers]
        if theirs and text not in _said:
            _said.add(text)
            logger.warning("%s", _left_alone(text, theirs))


def end_tree(pid: int, grace: float, logger: logging.Logger) -> None:
    """End a process and all that came from it."""
    root = find(pid)
    if root is not None:
        _end([root], grace, logger)


def _agents() -> set[int]:
    """The agents that this process has started."""
    own = (one for one in look() if one.parent == os.getpid())
    return {one.pid for one in own if one.cmdline()[1:3] == ["agent", "--fd"]}


def _found(names: Collection[str], commands: Collection[str]) -> dict[str, list[Kin]]:
    found: dict[str, list[Kin]] = {}
    for one in look():
        name, command = one.name(), " ".join(one.cmdline())
        texts = {text for text in names if text == name}
        texts |= {text for text in commands if text and text in command}
        for text in texts:
            found.setdefault(text, []).append(one)
    return found


def _end(roots: list[Kin], grace: float, logger: logging.Logger) -> None:
    others = []
    for one in roots:
        process = own_process(one.pid)
        if process is None:
            others.append(one)
            continue
        try:
            process.stop(grace)
        except BenchError as error:
            logger.warning("%s", error)
    end_trees([one for one in others if one.is_running()], grace)


def _left_alone(text: str, strangers: list[Kin]) -> str:
    shown = ", ".join(f"{one.pid} ({' '.join(one.cmdline())[:80]})" for one in strangers[:3])
    more = f" and {len(strangers) - 3} more" if len(strangers) > 3 else ""
    return (
        f"asked to end what is called {text!r}, dyno leaves alone what this session has not "
        f"started: process {shown}{more}"
    )
