"""What an engine tells of its KV blocks, told by a test: the events of vLLM, over ZeroMQ.

A batch of events is three frames: a topic, its number (64 bits, big-endian), and a MessagePack
array of a time, the events and a rank. Batches are numbered from 0 without a gap. An engine that
keeps them answers a request for all from a number on; Dynamo asks when it has missed one. vLLM puts
the topic into such an answer, SGLang does not.
"""

from __future__ import annotations

import struct
import threading
import time
from collections.abc import Sequence
from types import TracebackType
from typing import Any

import msgspec
import zmq

__all__ = ["DISK", "GPU", "HOST", "Engine", "cleared", "removed", "stored"]

# Where a block lies, as vLLM names it.
GPU = "GPU"
HOST = "CPU"
DISK = "DISK"

# The end of a replay: no batch has this number.
NO_MORE = -1

# A listener subscribes within milliseconds; one that has not by then never will.
SUBSCRIBE_SECONDS = 30.0
POLL_MILLISECONDS = 50

Event = list[Any]


def stored(
    hashes: Sequence[int],
    tokens: Sequence[int],
    *,
    parent: int | None = None,
    medium: str = GPU,
) -> Event:
    """Blocks that follow one another, after the parent.

    Args:
        hashes: the engine's own name of each block.
        tokens: of all of them; each block has as many.
    """
    block_size = len(tokens) // len(hashes)
    assert block_size * len(hashes) == len(tokens)
    return ["BlockStored", list(hashes), parent, list(tokens), block_size, None, medium]


def removed(hashes: Sequence[int], *, medium: str = GPU) -> Event:
    """Blocks that are no longer there."""
    return ["BlockRemoved", list(hashes), medium]


def cleared() -> Event:
    """No block is there any more."""
    return ["AllBlocksCleared"]


class Engine:
    """The socket of an engine's events, and where it is asked for them again.

    Attributes:
        number: of the next batch.
        asked: from which number on batches were asked for, each time.
    """

    def __init__(self, *, topic_in_replay: bool = True) -> None:
        self.number = 0
        self.asked: list[int] = []
        self._context = zmq.Context()
        # It hears who subscribes, so that nothing is told before someone listens.
        self._events = self._context.socket(zmq.XPUB)
        self._events.setsockopt(zmq.XPUB_VERBOSE, 1)
        self._port = self._events.bind_to_random_port("tcp://127.0.0.1")
        self._topic = [b""] if topic_in_replay else []
        self._kept: list[tuple[int, bytes]] = []
        self._replay = self._context.socket(zmq.ROUTER)
        self._replay_port = self._replay.bind_to_random_port("tcp://127.0.0.1")
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._answer, daemon=True)
        self._thread.start()

    @property
    def endpoint(self) -> str:
        """Where the events are."""
        return f"tcp://127.0.0.1:{self._port}"

    @property
    def replay_endpoint(self) -> str:
        """Where they are asked for again."""
        return f"tcp://127.0.0.1:{self._replay_port}"

    def await_listener(self) -> None:
        """Waits until one more has subscribed."""
        if not self._events.poll(int(SUBSCRIBE_SECONDS * 1000)):
            raise TimeoutError(f"nobody listens to {self.endpoint}")
        assert self._events.recv()[:1] == b"\x01"

    def await_leaver(self) -> None:
        """Waits until one who had subscribed has gone."""
        if not self._events.poll(int(SUBSCRIBE_SECONDS * 1000)):
            raise TimeoutError(f"nobody leaves {self.endpoint}")
        assert self._events.recv()[:1] == b"\x00"

    def tell(self, *events: Event, rank: int = 0, lost: bool = False) -> int:
        """Sends a batch; returns its number.

        Args:
            lost: it does not arrive, though it can be asked for.
        """
        number, self.number = self.number, self.number + 1
        batch = msgspec.msgpack.encode([time.time(), list(events), rank])
        self._kept.append((number, batch))
        if not lost:
            self._events.send_multipart([b"", struct.pack(">q", number), batch])
        return number

    def repeat(self, number: int) -> None:
        """Sends a batch once more."""
        self._events.send_multipart([b"", struct.pack(">q", number), dict(self._kept)[number]])

    def restart(self) -> None:
        """Begins anew: with no block, with number 0, at the same address."""
        self.number = 0
        self._kept = []

    def close(self) -> None:
        """Ends both sockets."""
        self._closing.set()
        self._thread.join()
        self._context.destroy(linger=0)

    def __enter__(self) -> Engine:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _answer(self) -> None:
        """Answers those who ask for batches, in a thread that alone uses this socket."""
        while not self._closing.is_set():
            if not self._replay.poll(POLL_MILLISECONDS):
                continue
            *envelope, asked = self._replay.recv_multipart()
            first = struct.unpack(">Q", asked)[0]
            self.asked.append(first)
            for number, batch in list(self._kept):
                if number >= first:
                    self._replay.send_multipart(
                        [*envelope, *self._topic, struct.pack(">q", number), batch]
                    )
            self._replay.send_multipart([*envelope, *self._topic, struct.pack(">q", NO_MORE), b""])
