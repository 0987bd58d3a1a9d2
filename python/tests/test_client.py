"""Calls to an agent from threads and coroutines at once. The agent is the test itself."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Callable, Coroutine, Iterator
from typing import Any
from unittest.mock import Mock

import pytest
from dyno._alarm import Alarm
from dyno._wire import Connection
from dyno.client import Agent, AgentLost

# What hangs fails after so many seconds; nothing else takes any.
HANGS_AFTER = 10.0

Answer = dict[str, Any]


class Peer:
    """The agent's side. What it says is on its way when a method returns."""

    def __init__(self, alarm: Alarm | None = None) -> None:
        ours, theirs = socket.socketpair()
        ours.settimeout(HANGS_AFTER)
        self.connection = Connection(ours)
        self.connection.send("hello", id=1, network="net:[1]")
        self.agent = Agent(theirs, alarm, None)
        assert self.connection.receive()["id"] == 1

    def hear(self, kind: str) -> int:
        """Take the next call. Its number."""
        call = self.connection.receive()
        assert call["type"] == kind
        number: int = call["id"]
        return number

    def answer(self, *numbers: int) -> None:
        """Answer calls, all in one piece."""
        for number in numbers:
            self.connection.hold("done", id=number)
        self.connection.flush()

    def close(self) -> None:
        self.connection.close()
        self.agent.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer()
    yield peer
    peer.close()


def complete(coroutine: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(coroutine, HANGS_AFTER))


async def begin(peer: Peer, kind: str) -> tuple[asyncio.Task[Answer], int]:
    """A coroutine that waits for an answer, and the number of its call."""
    task = asyncio.create_task(peer.agent.acall(kind, 0.0))
    await asyncio.sleep(0)  # Now it waits: it gives way nowhere else.
    return task, peer.hear(kind)


def in_thread(work: Callable[[], object]) -> None:
    """Do something in another thread, to its end."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def after_sending(peer: Peer, happens: Callable[[int], None]) -> None:
    """Let something happen once a call has been sent, before anybody waits for its answer."""
    send = peer.agent._send

    def send_first(kind: str, fields: dict[str, Any]) -> int:
        peer.agent._send = send  # type: ignore[method-assign]
        number = send(kind, fields)
        happens(number)
        return number

    peer.agent._send = send_first  # type: ignore[method-assign]


def test_an_answer_that_another_thread_took_reaches_the_coroutine(peer: Peer) -> None:
    def answer_both(number: int) -> None:
        assert peer.hear("mine") == number
        peer.answer(number, number + 1)
        in_thread(lambda: peer.agent.call("other", 0.0))

    async def ask() -> None:
        after_sending(peer, answer_both)
        assert (await peer.agent.acall("mine", 0.0))["type"] == "done"

    complete(ask())


def test_a_coroutine_hears_of_a_loss_that_another_thread_found(peer: Peer) -> None:
    def give_up(number: int) -> None:
        assert peer.hear("mine") == number
        peer.connection.send("failed", id=0, message="it had enough")

        def find_out() -> None:
            with pytest.raises(AgentLost, match="it had enough"):
                peer.agent.call("other", 0.0)

        in_thread(find_out)

    async def ask() -> None:
        after_sending(peer, give_up)
        with pytest.raises(AgentLost, match="it had enough"):
            await peer.agent.acall("mine", 0.0)

    complete(ask())


def test_who_reads_its_own_answer_leaves_none_behind(peer: Peer) -> None:
    async def ask() -> None:
        task, number = await begin(peer, "mine")
        # The loop does not run meanwhile, and has nothing to read afterwards.
        peer.answer(number + 1, number)
        peer.agent.call("other", 0.0)
        assert (await task)["id"] == number

    complete(ask())


def test_a_thread_that_reads_answers_coroutines(peer: Peer) -> None:
    reads = threading.Event()
    poll = peer.agent._connection.poll

    def poll_and_tell() -> Answer | None:
        answer = poll()
        reads.set()
        return answer

    peer.agent._connection.poll = poll_and_tell  # type: ignore[method-assign]
    thread = threading.Thread(target=lambda: peer.agent.call("long", 0.0))
    thread.start()
    long = peer.hear("long")
    assert reads.wait(HANGS_AFTER)

    async def ask() -> None:
        # Nobody but the thread reads.
        assert peer.agent._reading
        tasks = [await begin(peer, "one"), await begin(peer, "two")]
        peer.answer(*[number for _, number in tasks])
        assert [(await task)["id"] for task, _ in tasks] == [number for _, number in tasks]
        task, number = await begin(peer, "three")
        peer.answer(long, number)
        assert (await task)["id"] == number

    complete(ask())
    thread.join()


def test_an_answer_counts_though_the_agent_went_right_after(peer: Peer) -> None:
    async def ask() -> None:
        task, number = await begin(peer, "mine")
        peer.answer(number, number + 1)
        peer.connection.send("failed", id=0, message="it had enough")
        assert peer.agent.call("other", 0.0)["id"] == number + 1
        assert (await task)["id"] == number
        with pytest.raises(AgentLost, match="it had enough"):
            await peer.agent.acall("third", 0.0)

    complete(ask())


@pytest.mark.parametrize("where", ["poll", "send"])
def test_a_coroutine_hears_that_a_call_was_interrupted(
    peer: Peer, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def ask() -> None:
        task, _ = await begin(peer, "mine")
        monkeypatch.setattr(peer.agent._connection, where, Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            peer.agent.call("other", 0.0)
        with pytest.raises(AgentLost, match="interrupted in the middle"):
            await task

    complete(ask())


def test_a_coroutine_hears_that_the_agent_was_closed(peer: Peer) -> None:
    async def ask() -> None:
        task, _ = await begin(peer, "mine")
        peer.agent.close()
        with pytest.raises(AgentLost, match="has been closed"):
            await task

    complete(ask())


@pytest.fixture
def nobody_listens() -> Iterator[None]:
    """The bench of a test before may, for the whole session."""
    before = signal.signal(Alarm.signal, signal.SIG_DFL)
    yield
    signal.signal(Alarm.signal, before)


@pytest.mark.usefixtures("nobody_listens")
@pytest.mark.parametrize("where", ["send", "poll"])
def test_the_alarm_keeps_out_of_the_middle_of_a_coroutines_call(
    where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard: list[Answer] = []
    alarm = Alarm(lambda: make_a_call())
    peer = Peer(alarm)
    done = getattr(peer.agent._connection, where)

    def make_a_call() -> None:
        # In the middle of another it would wait for itself.
        assert not peer.agent._sending.locked() and not peer.agent._reading
        peer.answer(3)
        heard.append(peer.agent.call("fallen", 0.0))

    def ring_first(*args: object, **fields: object) -> object:
        monkeypatch.undo()
        os.kill(os.getpid(), Alarm.signal)
        return done(*args, **fields)

    async def ask() -> None:
        monkeypatch.setattr(peer.agent._connection, where, ring_first)
        task, number = await begin(peer, "mine")
        peer.answer(number)
        assert (await task)["id"] == number

    try:
        complete(ask())
    finally:
        peer.close()
        alarm.restore()
    assert [answer["id"] for answer in heard] == [3]
