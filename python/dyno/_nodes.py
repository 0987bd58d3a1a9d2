"""Workers as plugins of pytest-xdist's controller know them.

Such a plugin hands a worker what it needs by ``pytest_configure_node`` and hears what it
left by ``pytest_testnodedown``. Both are hooks of pytest-xdist: they are called where that
is installed, or where a plugin marks them as optional.
"""

from __future__ import annotations

import sys
from base64 import b64decode, b64encode
from pickle import dumps, loads
from types import SimpleNamespace
from typing import Any

import pytest

__all__ = ["Node", "Nodes", "pack"]


def pack(output: dict[str, Any]) -> str:
    """A worker's ``config.workeroutput`` as text that `Nodes.down` reads."""
    return b64encode(dumps(output)).decode()


class Node:
    """A worker, in the words of ``xdist.workermanage.WorkerController``."""

    def __init__(self, config: pytest.Config, number: int, workers: int, run: str) -> None:
        self.config = config
        name = f"gw{number}"
        self.gateway = SimpleNamespace(id=name, spec=SimpleNamespace(popen=True, id=name))
        #: What the worker has as ``config.workerinput``.
        self.workerinput: dict[str, Any] = {
            "workerid": name,
            "workercount": workers,
            "testrunuid": run,
            "mainargv": sys.argv,
        }

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.gateway.id}>"


class Nodes:
    """The workers of a run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._nodes: dict[int, Node] = {}

    def configure(self, number: int, workers: int, run: str) -> Node:
        """One that is about to be forked."""
        node = self._nodes[number] = Node(self._config, number, workers, run)
        self._tell("pytest_configure_node", node=node)
        return node

    def ready(self, node: Node) -> None:
        """It was forked."""
        self._tell("pytest_testnodeready", node=node)

    def down(self, number: int, output: str | None, error: str | None) -> None:
        """It has ended. ``output`` is its ``config.workeroutput`` as it was packed."""
        # One that a sibling forked is not known here.
        node: Any = self._nodes.pop(number, None) or Node(self._config, number, 0, "")
        if output is not None:
            node.workeroutput = loads(b64decode(output))
        self._tell("pytest_testnodedown", node=node, error=error)

    def _tell(self, hook: str, **arguments: Any) -> None:
        caller = getattr(self._config.hook, hook, None)
        if caller is not None:
            caller(**arguments)
