"""A pytest process's agent: started when first needed, called over a socket.

The messages are those of the crate ``dyno-wire``, module ``agent``.
"""

from __future__ import annotations

import contextlib
import os
import select
import shutil
import socket
import subprocess
import sysconfig
import tempfile
import threading
import time
import weakref
from collections.abc import Mapping
from typing import Any

from dyno._wire import PROTOCOL, Connection, Disconnected

__all__ = ["Agent", "AgentLost", "AgentSource", "CallFailed", "dyno_command", "milliseconds"]

# The agent answers a call within what the call may take and this much more; an agent
# that does not is stuck, and a test must not be stuck with it. Its own bound on a kill
# is 10 s.
_MARGIN = 30.0

# How long an agent with nothing left to do may take to exit. It takes milliseconds.
_GOODBYE = 15.0


# No wait is longer: a year, in seconds. Clocks and sockets take no infinite ones.
_FOR_EVER = 365 * 24 * 3600.0

# poll(2) takes at most 24 days; a wait that is longer is made of several.
_LONGEST_POLL = 3600.0


def milliseconds(seconds: float) -> int:
    """A time as the agent takes it."""
    return round(max(0.0, min(seconds, _FOR_EVER)) * 1000)


class AgentLost(Exception):
    """The agent cannot be found, started or understood, or it is gone."""


class CallFailed(Exception):
    """The agent answered that it did not do it. ``failure`` is its answer."""

    def __init__(self, failure: Mapping[str, Any]) -> None:
        super().__init__(failure["message"])
        self.failure = failure


class AgentSource:
    """Gives the agent of this process, and starts it when it is first asked for.

    After a fork the child gets an agent of its own.
    """

    def __init__(self) -> None:
        self._agent: Agent | None = None

    def agent(self) -> Agent:
        if self._agent is not None and self._agent.is_ours() and self._agent.is_lost():
            # What it ran is dead; the next test need not suffer for it.
            self.close()
        if self._agent is None or not self._agent.is_ours():
            self._agent = Agent(dyno_command())
        return self._agent

    def close(self) -> None:
        agent, self._agent = self._agent, None
        if agent is not None:
            agent.close()


class Agent:
    """One agent. Its calls may come from several threads of the process that made it."""

    def __init__(self, binary: str) -> None:
        self._pid = os.getpid()
        self._lock = threading.Condition()
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._waited: set[int] = set()
        self._reading = False
        self._last = 0
        self._broken: str | None = None
        # Nameless, so it leaves nothing on disk.
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the agent
        ours, theirs = socket.socketpair()
        self._connection = Connection(ours)
        with theirs:
            try:
                # In a session of its own, so that a signal to pytest's process group
                # does not take away the one that cleans up.
                self._child = subprocess.Popen(
                    [binary, "agent", "--fd", str(theirs.fileno())],
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    stdout=self._stderr,
                    stderr=self._stderr,
                    start_new_session=True,
                )
            except OSError as error:
                self._connection.close()
                self._stderr.close()
                raise AgentLost(f"the dyno agent cannot be started: {error}") from None
        _live.add(self)
        try:
            self.call("hello", 0.0, protocol=PROTOCOL, client=self._pid)
        except BaseException:
            self.close()
            raise

    def is_ours(self) -> bool:
        """False in a process that was forked from the one that started the agent."""
        return self._pid == os.getpid()

    def is_lost(self) -> bool:
        """Whether no call can be made any more."""
        return self._broken is not None

    def call(self, kind: str, seconds: float, **fields: Any) -> dict[str, Any]:
        """Ask for something that may take so many seconds, and wait for the answer.

        Raises:
            AgentLost: there is no agent to ask any more.
            CallFailed: it was not done.
        """
        if not self.is_ours():
            raise AgentLost(
                f"this bench belongs to process {self._pid}: a forked process has its own"
            )
        number = self._send(kind, fields)
        try:
            answer = self._receive(number, time.monotonic() + min(seconds, _FOR_EVER) + _MARGIN)
        finally:
            with self._lock:
                self._waited.discard(number)
                self._answers.pop(number, None)
        if answer["type"] == "failed":
            raise CallFailed(answer)
        return answer

    def close(self) -> None:
        """Part from the agent, which then ends whatever it still runs; wait for that."""
        self._connection.close()
        if self.is_ours():
            self._broken = self._broken or "the dyno agent has been closed"
            try:
                self._child.wait(_GOODBYE)
            except subprocess.TimeoutExpired:
                self._child.kill()
                self._child.wait()
            self._stderr.close()

    def forget(self) -> None:
        """Drop what a forked child inherited."""
        self._connection.close()
        # Not ours to wait for: the parent does.
        self._child.returncode = 0

    def _send(self, kind: str, fields: dict[str, Any]) -> int:
        with self._sending:
            self._check()
            self._last += 1
            number = self._last
            with self._lock:
                self._waited.add(number)
            try:
                self._connection.send(kind, id=number, **fields)
            except Disconnected as error:
                self._drain()
                raise self._lost(str(error)) from None
            except BaseException:
                # A signal handler raised: half a frame may be on its way.
                self._broken = "the dyno agent was interrupted in the middle of a message"
                raise
        return number

    def _receive(self, number: int, deadline: float) -> dict[str, Any]:
        """Wait for an answer. Whoever waits first reads for all; there is no thread."""
        while True:
            with self._lock:
                while number not in self._answers and self._reading:
                    self._check()
                    if time.monotonic() >= deadline:
                        raise self._lost("it does not answer")
                    self._lock.wait(1.0)
                if number in self._answers:
                    return self._answers.pop(number)
                self._check()
                self._reading = True
            try:
                self._read_one(deadline)
            finally:
                with self._lock:
                    self._reading = False
                    self._lock.notify_all()

    def _read_one(self, deadline: float) -> None:
        """Read one answer, or wait until there is something to read."""
        try:
            answer = self._connection.poll()
        except Disconnected as error:
            raise self._lost(str(error)) from None
        except BaseException:
            # A signal handler raised: bytes may be lost between socket and buffer.
            self._broken = "the dyno agent was interrupted in the middle of an answer"
            raise
        if answer is not None:
            self._take(answer)
            return
        # Nearly all waiting, and so nearly every interrupt, is here, where no byte is
        # on its way from the socket to the buffer.
        poller = select.poll()
        poller.register(self._connection.fileno(), select.POLLIN)
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._lost("it does not answer")
        poller.poll(min(left, _LONGEST_POLL) * 1000)

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["id"] == 0:
            raise self._lost(answer.get("message", "it gave up"))
        with self._lock:
            # An answer that an interrupted call no longer waits for is dropped.
            if answer["id"] in self._waited:
                self._answers[answer["id"]] = answer

    def _drain(self) -> None:
        """Read what the agent still said before it went."""
        try:
            while True:
                self._take(self._connection.receive())
        except Disconnected:
            return

    def _check(self) -> None:
        if self._broken is not None:
            raise AgentLost(self._broken)

    def _lost(self, why: str) -> AgentLost:
        said = self._said()
        self._broken = f"the dyno agent is gone: {why}" + (f"\nit said: {said}" if said else "")
        return AgentLost(self._broken)

    def _said(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._child.wait(1.0)
        self._stderr.seek(0)
        return self._stderr.read(4096).decode(errors="replace").strip()


_live: weakref.WeakSet[Agent] = weakref.WeakSet()


def _forget_all() -> None:
    for agent in list(_live):
        agent.forget()
    _live.clear()


os.register_at_fork(after_in_child=_forget_all)


def dyno_command() -> str:
    """The ``dyno`` command: ``DYNO_BINARY``, else the environment's own, else PATH's."""
    named = os.environ.get("DYNO_BINARY")
    if named:
        if not os.access(named, os.X_OK):
            raise AgentLost(f"DYNO_BINARY names {named}, which is no program")
        return named
    installed = os.path.join(sysconfig.get_path("scripts"), "dyno")
    if os.access(installed, os.X_OK):
        return installed
    found = shutil.which("dyno")
    if found is None:
        raise AgentLost(
            f"the dyno command is neither {installed} nor on PATH: "
            "install the dyno wheel, or set DYNO_BINARY"
        )
    return found
