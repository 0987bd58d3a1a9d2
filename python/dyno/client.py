"""Calls to an agent over a socket, from threads and coroutines.

The messages are those of the crate ``dyno-wire``, module ``agent``.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import subprocess
import threading
import time
import weakref
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from dyno._alarm import Alarm
from dyno._wire import PROTOCOL, Connection, Disconnected

if TYPE_CHECKING:
    import asyncio

__all__ = ["Agent", "AgentChild", "AgentLost", "CallFailed", "milliseconds"]

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


class AgentChild:
    """An agent's process, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], stderr: Any) -> None:
        self._process = process
        self._stderr = stderr

    def said(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        self._stderr.seek(0)
        text: str = self._stderr.read(4096).decode(errors="replace").strip()
        return text

    def end(self) -> None:
        try:
            self._process.wait(_GOODBYE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._stderr.close()

    def forget(self) -> None:
        # Not ours to wait for: the parent does.
        self._process.returncode = 0


class Agent:
    """One agent. Its calls may come from several threads of the process that made it, and from
    coroutines."""

    def __init__(self, end: socket.socket, alarm: Alarm | None, child: AgentChild | None) -> None:
        self._pid = os.getpid()
        self._lock = threading.Condition()
        self._sending = threading.Lock()
        self._answers: dict[int, dict[str, Any]] = {}
        self._waited: set[int] = set()
        self._futures: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._reading = False
        self._last = 0
        self._broken: str | None = None
        self._connection = Connection(end)
        self._child = child
        self._alarm = alarm
        _live.add(self)
        try:
            fields = {"protocol": PROTOCOL, "client": self._pid}
            if alarm is not None and alarm.install():
                fields["alarm"] = alarm.signal
            #: The network namespace that it is in.
            self.network: str = self.call("hello", 0.0, **fields)["network"]
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
        __tracebackhide__ = True
        self._check_owner()
        with self._undisturbed():
            number = self._send(kind, fields)
            try:
                answer = self._receive(number, time.monotonic() + _bound(seconds))
            finally:
                self._forget_call(number)
        return _unless_failed(answer)

    async def acall(self, kind: str, seconds: float, **fields: Any) -> dict[str, Any]:
        """As `call`, without keeping the event loop from other work."""
        # Whoever has a coroutine has it loaded; all others need not wait for that.
        import asyncio

        self._check_owner()
        loop = asyncio.get_running_loop()
        future: asyncio.Future[dict[str, Any]] = loop.create_future()
        number = 0  # None has this one.
        try:
            with self._undisturbed():
                number = self._send(kind, fields)
            self._give_to(future, number)
            with self._readable(loop):
                answer = await asyncio.wait_for(future, _bound(seconds))
        except asyncio.TimeoutError:
            raise self._lost("it does not answer") from None
        finally:
            # Whoever is about to settle it need not.
            future.cancel()
            self._forget_call(number)
        return _unless_failed(answer)

    def close(self) -> None:
        """Part from the agent, which then ends whatever it still runs; wait for that."""
        self._connection.close()
        if self.is_ours():
            if self._broken is None:
                self._break("the dyno agent has been closed")
            if self._child is not None:
                self._child.end()

    def forget(self) -> None:
        """Drop what a forked child inherited."""
        self._connection.close()
        if self._child is not None:
            self._child.forget()

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
                self._break("the dyno agent was interrupted in the middle of a message")
                raise
        return number

    def _give_to(self, future: asyncio.Future[dict[str, Any]], number: int) -> None:
        """Let a future have an answer. Another thread may have taken it since the call was sent,
        or have found that none will come."""
        with self._lock:
            self._futures[number] = future
            if number in self._answers:
                future.set_result(self._answers.pop(number))
            else:
                self._check()

    def _receive(self, number: int, deadline: float) -> dict[str, Any]:
        """Wait for an answer. Whoever waits first reads for all; there is no thread."""
        __tracebackhide__ = True
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
                self._read(deadline)
            finally:
                self._end_reading()
            if self._alarm is not None:
                self._alarm.answer()

    def _read(self, deadline: float) -> None:
        """Read what is here already, or wait until there is something to read."""
        if self._take_all():
            return
        # Nearly all waiting, and so nearly every interrupt, is here, where no byte is
        # on its way from the socket to the buffer.
        poller = select.poll()
        poller.register(self._connection.fileno(), select.POLLIN)
        left = deadline - time.monotonic()
        if left <= 0:
            raise self._lost("it does not answer")
        most = min(left, _LONGEST_POLL) * 1000
        if self._alarm is None:
            poller.poll(most)
        else:
            self._alarm.interrupts(lambda: poller.poll(most))

    def _take_all(self) -> bool:
        """Take what is here already, answers and the agent's end. Whether there was anything.

        Nothing but half a frame stays in the buffer: a loop waits for the socket alone.
        """
        took = False
        try:
            while (answer := self._connection.poll()) is not None:
                took = True
                self._take(answer)
        except AgentLost:
            pass
        except Disconnected as error:
            took = True
            self._lost(str(error))
        except BaseException:
            # A signal handler raised: bytes may be lost between socket and buffer, or an answer
            # between the buffer and whoever waits for it.
            self._break("the dyno agent was interrupted in the middle of an answer")
            raise
        return took

    def _pump(self) -> None:
        """Take all that is here already, unless a thread does: it leaves none."""
        with self._undisturbed():
            with self._lock:
                if self._reading:
                    return
                self._reading = True
            try:
                self._take_all()
            finally:
                self._end_reading()

    def _undisturbed(self) -> contextlib.AbstractContextManager[None]:
        """Keep out the alarm, which makes a call of its own, until this thread has no lock."""
        return self._alarm.deferred() if self._alarm else contextlib.nullcontext()

    def _end_reading(self) -> None:
        with self._lock:
            self._reading = False
            self._lock.notify_all()

    @contextlib.contextmanager
    def _readable(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Let the loop read answers meanwhile."""
        descriptor = self._connection.fileno()
        loop.add_reader(descriptor, self._pump)
        try:
            yield
        finally:
            # Another coroutine of this loop may still wait.
            if not any(one.get_loop() is loop and not one.done() for one in self._pending()):
                loop.remove_reader(descriptor)

    def _pending(self) -> list[asyncio.Future[dict[str, Any]]]:
        with self._lock:
            return list(self._futures.values())

    def _take(self, answer: dict[str, Any]) -> None:
        if answer["id"] == 0:
            raise self._lost(answer.get("message", "it gave up"))
        with self._lock:
            future = self._futures.get(answer["id"])
            if future is not None:
                _settle(future, lambda future: future.set_result(answer))
            # An answer that an interrupted call no longer waits for is dropped.
            elif answer["id"] in self._waited:
                self._answers[answer["id"]] = answer

    def _forget_call(self, number: int) -> None:
        with self._lock:
            self._waited.discard(number)
            self._answers.pop(number, None)
            self._futures.pop(number, None)

    def _drain(self) -> None:
        """Read what the agent still said before it went."""
        try:
            while True:
                self._take(self._connection.receive())
        except Disconnected:
            return

    def _check_owner(self) -> None:
        if not self.is_ours():
            raise AgentLost(
                f"this bench belongs to process {self._pid}: a forked process has its own"
            )

    def _check(self) -> None:
        if self._broken is not None:
            raise AgentLost(self._broken)

    def _lost(self, why: str) -> AgentLost:
        said = self._child.said() if self._child is not None else ""
        broken = f"the dyno agent is gone: {why}" + (f"\nit said: {said}" if said else "")
        self._break(broken)
        return AgentLost(broken)

    def _break(self, why: str) -> None:
        """Let no call be made any more, and tell the coroutines that wait for an answer."""
        # First: a future that comes too late to be told finds it.
        self._broken = why
        for future in self._pending():
            _settle(future, lambda future: future.set_exception(AgentLost(why)))


def _bound(seconds: float) -> float:
    return min(seconds, _FOR_EVER) + _MARGIN


def _unless_failed(answer: dict[str, Any]) -> dict[str, Any]:
    if answer["type"] == "failed":
        raise CallFailed(answer)
    return answer


def _settle(
    future: asyncio.Future[dict[str, Any]],
    settle: Callable[[asyncio.Future[dict[str, Any]]], None],
) -> None:
    """Settle a future from whatever thread, unless it has been given up."""

    def unless_done() -> None:
        if not future.done():
            settle(future)

    # A loop that is closed has nobody who waits.
    with contextlib.suppress(RuntimeError):
        future.get_loop().call_soon_threadsafe(unless_done)


_live: weakref.WeakSet[Agent] = weakref.WeakSet()


def _forget_all() -> None:
    for agent in list(_live):
        agent.forget()
    _live.clear()


os.register_at_fork(after_in_child=_forget_all)
