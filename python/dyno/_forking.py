"""How a template starts a worker."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from dyno._children import NotStarted
from dyno._fork_guard import hazards
from dyno._siblings import fork

if TYPE_CHECKING:
    from dyno._walls import Passage
    from dyno._wire import Connection
    from dyno.fresh import Start

__all__ = ["start_worker"]

# As `os.waitpid` gives it, of a process that exits with 1.
_EXITED = 1 << 8


def start_worker(
    how_it_began: Start,
    config: pytest.Config,
    message: dict[str, Any],
    runner: Connection,
    end: int,
    pipes: list[int],
    workerinput: dict[str, Any],
    pruned: dict[str, int],
) -> tuple[int, list[dict[str, str]]]:
    """Fork this process, or where that is unsafe start another like it, as the runner's ``message``
    says (`ToTemplate::Fork`). Returns its id, 0 in a fork, and what makes it unsafe; raises
    `NotStarted`."""
    own = os.getpid()
    unsafe = hazards()
    passage: Passage | None = None
    if namespaces := message["namespaces"]:
        # Needed by runs with sealed tests, and by no others.
        from dyno import _walls

        passage = _walls.Passage(runner.take_descriptor(), namespaces)
        workerinput["sealed"] = True

    def start() -> int:
        if not unsafe:
            return fork()
        told = end, pipes, message["output"], workerinput, pruned, passage
        return how_it_began.spawn(config, *told)

    try:
        return passage.through(start) if passage else start(), unsafe
    except OSError as error:
        if os.getpid() != own:
            # Half a worker must not go on as if it were the template.
            os._exit(1)
        raise NotStarted(f"no process can be made: {error}", _EXITED) from error
