"""A worker in an interpreter of its own, where the template holds what a fork does not survive.

It is told by a file in memory what a fork would have inherited, runs pytest as the template
did, and collects anew: as a worker of pytest-xdist does, ``config.workerinput`` is there before
plugins are configured. Then it is a worker like any other. Until then all that it prints
goes to its crash log, which is read only if it comes to nothing.
"""

from __future__ import annotations

import os
import pickle
import signal
import socket
import sys
import time
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

import pytest

from dyno import _known_plugins as known
from dyno import _models
from dyno import _pytest_private as private
from dyno._debugger import Debugger
from dyno._inherited import end_in_silence
from dyno._listeners import Listeners
from dyno._main import keep_xdist_out, leave, run_pytest
from dyno._output import Output
from dyno._pruning import Pruning
from dyno._terminal import Terminal, Voice
from dyno._wire import Connection
from dyno.worker import Worker, announce

if TYPE_CHECKING:
    from dyno._walls import Passage, Way

__all__ = ["Start", "main"]


class Order(NamedTuple):
    """What a fresh worker is told."""

    socket: int
    pipes: list[int]
    output: dict[str, Any]
    workerinput: dict[str, Any]
    #: Files that need not be imported, and how many of their tests are deselected.
    pruned: dict[str, int]
    folder: str
    basetemp: str
    terminal: private.TerminalStyle | None
    #: Its way into a sandbox, if it is to go there (`_walls.go`).
    way: Way | None


class Start:
    """How this process began, for others that are to begin like it."""

    def __init__(self) -> None:
        # What conftests set, they will set again.
        self._environment = dict(os.environ)
        self._folder = os.getcwd()
        self._arguments = sys.orig_argv
        #: In seconds since the epoch.
        self.time = time.time()

    def spawn(
        self,
        config: pytest.Config,
        end: int,
        pipes: list[int],
        output: dict[str, Any],
        workerinput: dict[str, Any],
        pruned: dict[str, int],
        passage: Passage | None,
    ) -> int:
        """Start a worker. It is given the descriptors, which stay open here. Returns its
        process id."""
        order = Order(
            end,
            pipes,
            output,
            workerinput,
            pruned,
            self._folder,
            private.claim_numbered_folder(config),
            private.terminal_style(config),
            passage.way if passage else None,
        )
        way = (passage.way.arrival, passage.way.inside) if passage else ()
        told = os.memfd_create("dyno-fresh-worker")
        try:
            with open(told, "wb", closefd=False) as file:
                pickle.dump(order, file)
            os.lseek(told, 0, os.SEEK_SET)
            # `boot.py`: what runs, the descriptor, the folder of the scripts, the module.
            at = self._arguments.index("-c")
            arguments = [*self._arguments]
            arguments[0] = sys.executable
            arguments[at + 2], arguments[at + 4] = str(told), "dyno.fresh"
            # Onto itself: it stays open in the new process, and in no other that a thread
            # starts at this moment.
            kept = [(os.POSIX_SPAWN_DUP2, one, one) for one in (told, end, *pipes, *way)]
            return os.posix_spawn(
                sys.executable,
                arguments,
                self._environment,
                file_actions=[*kept, *_log_of(workerinput["workerid"])],
                setsigdef=[signal.SIGINT],
            )
        finally:
            os.close(told)


def _log_of(worker: str) -> Iterator[tuple[Any, ...]]:
    """Actions that let it print into its crash log."""
    if folder := os.environ.get("DYNO_RUN_DIR"):
        path = Path(folder, "logs", f"{worker}.crash").absolute()
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        yield os.POSIX_SPAWN_OPEN, 1, str(path), flags, 0o644
        yield os.POSIX_SPAWN_DUP2, 1, 2


def main(descriptor: int, args: list[str]) -> NoReturn:
    """Run pytest as a worker. ``descriptor`` is the order's."""
    with open(descriptor, "rb") as file:
        order: Order = pickle.load(file)
    for inherited in (order.socket, *order.pipes):
        os.set_inheritable(inherited, False)
    os.chdir(order.folder)
    if order.way:
        from dyno import _walls

        _walls.go(order.way)
    runner = Connection(socket.socket(fileno=order.socket))
    fresh = Fresh(runner, order)
    code = run_pytest(args, [fresh, *fresh.how_to_collect()])
    # The runner hears by it that there is nothing more to say.
    runner.close()
    leave(code)


class Fresh:
    """The pytest plugin that leads up to the worker's loop."""

    def __init__(self, runner: Connection, order: Order) -> None:
        self._runner = runner
        self._order = order
        self._debugger = Debugger()
        self._missing = _models.Missing()
        announce(order.workerinput)

    def how_to_collect(self) -> Iterator[object]:
        """The plugins of its collection."""
        yield self._missing
        pruned = self._order.pruned
        if pruned:
            yield Pruning(pruned.__contains__, pruned.__getitem__)
        # Whoever debugs a file on import has done so in the template.
        self._debugger.serve("none", lambda: None, lambda: None)
        yield self._debugger

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(
        self, early_config: pytest.Config
    ) -> Generator[None, object, object]:
        known.keep_what_others_measured(early_config)
        known.seal(self._order.workerinput)
        return (yield)

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: Any) -> None:
        keep_xdist_out(config)
        config.workeroutput = {}
        if config.pluginmanager.has_plugin("xdist"):
            # Else nobody has told plugins what they would look for there.
            config.workerinput = self._order.workerinput
        known.begin_as_template(config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionstart(self, session: pytest.Session) -> None:
        private.use_basetemp(session.config, self._order.basetemp)
        self._debugger.begin(session.config)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        config = session.config
        silent = Terminal(self._runner)
        silent.turn(Voice.SILENT)
        private.redirect_terminal(config, silent)
        private.use_terminal_style(config, self._order.terminal)
        worker = Worker(
            self._runner,
            self._order.workerinput,
            end_in_silence,
            Listeners(config),
            Output(self._order.pipes, self._order.output),
            self._debugger,
            self._missing,
        )
        return worker.run(session)
