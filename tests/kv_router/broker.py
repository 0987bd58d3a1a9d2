"""A broker of Dynamo's ZeroMQ event plane that loses messages when a test says so."""

from __future__ import annotations

import threading
from collections import Counter
from types import TracebackType

import zmq

__all__ = ["Broker"]

POLL_MILLISECONDS = 20


class Broker:
    """Passes events from all publishers to all subscribers.

    Attributes:
        environment: what tells a Dynamo process to use it.
        losing: whether what is published is lost. No publisher can tell.
        passed: how many messages of each kind have been passed on, `lost` how many were not.
    """

    def __init__(self) -> None:
        self.losing = threading.Event()
        self.passed: Counter[str] = Counter()
        self.lost: Counter[str] = Counter()
        self._context = zmq.Context()
        # Not XSUB: all topics are wanted, whoever has subscribed so far.
        self._publishers = self._context.socket(zmq.SUB)
        self._publishers.subscribe(b"")
        self._subscribers = self._context.socket(zmq.XPUB)
        for socket in (self._publishers, self._subscribers):
            socket.setsockopt(zmq.RCVHWM, 0)
            socket.setsockopt(zmq.SNDHWM, 0)
        inward = self._publishers.bind_to_random_port("tcp://127.0.0.1")
        outward = self._subscribers.bind_to_random_port("tcp://127.0.0.1")
        self.environment = {
            "DYN_ZMQ_BROKER_URL": (
                f"xsub=tcp://127.0.0.1:{inward} , xpub=tcp://127.0.0.1:{outward}"
            )
        }
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._pass_on, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Ends it."""
        self._closing.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def __enter__(self) -> Broker:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _pass_on(self) -> None:
        """Passes messages on, in a thread that alone uses the sockets."""
        poller = zmq.Poller()
        poller.register(self._publishers, zmq.POLLIN)
        poller.register(self._subscribers, zmq.POLLIN)
        while not self._closing.is_set():
            ready = dict(poller.poll(POLL_MILLISECONDS))
            if self._subscribers in ready:
                # Who subscribes to what is known to the socket.
                self._subscribers.recv()
            if self._publishers in ready:
                frames = self._publishers.recv_multipart()
                # A topic is a namespace, a component, an endpoint, and what it is about.
                topic = frames[0].decode(errors="replace").rsplit(".", 1)[-1]
                if self.losing.is_set():
                    self.lost[topic] += 1
                else:
                    self._subscribers.send_multipart(frames)
                    self.passed[topic] += 1
