"""How a template starts a worker."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from dyno._fork_guard import hazards
from dyno._siblings import fork

if TYPE_CHECKING:
    from dyno._walls import Passage
    from dyno._wire import Connection
    from dyno.fresh import Start

__all__ = ["start_worker"]


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
    says (`ToTemplate::Fork`). Returns its id, 0 in a fork, and what makes it unsafe."""
    unsafe = hazards()
    passage: Passage | None = None
    if message["namespaces"]:
        # Needed by runs with sealed tests, and by no others.
        from dyno import _walls

        passage = _walls.Passage(runner.take_descriptor(), message["namespaces"])
        workerinput["sealed"] = True

    def start() -> int:
        if not unsafe:
            return fork()
        told = end, pipes, message["output"], workerinput, pruned, passage
        return how_it_began.spawn(config, *told)

    return passage.through(start) if passage else start(), unsafe
