"""A TCP proxy that a test puts between two processes, to part them without harming either."""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from collections.abc import Awaitable, Callable
from enum import Enum
from types import TracebackType

__all__ = ["Proxy"]

PIECE = 65536

# Of a call into the proxy's thread, which has nothing else to do; on an idle machine it takes
# less than a millisecond.
CALL_SECONDS = 30.0

# Closing a socket that lingers for no time resets its connection.
RESET = struct.pack("ii", 1, 0)


class _State(Enum):
    PASSING = "passing"
    HELD = "held"
    CUT = "cut"


class Proxy:
    """Listens on a port of its own on loopback, and joins each connection to one server.

    It begins with passing everything on. `hold` is a network that loses all packets: connections
    stay, and nothing comes through. `cut` is one that resets connections and refuses new ones.
    `resume` makes it whole again: held bytes go on, cut connections have to be made anew.
    """

    def __init__(self, port: int) -> None:
        """Begins to listen.

        Args:
            port: of the server, on loopback. It need not listen yet.
        """
        self._upstream = port
        self._state = _State.PASSING
        self._writers: set[asyncio.StreamWriter] = set()
        self._joins: set[asyncio.Task[object]] = set()
        self._accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        #: Where it listens.
        self.port: int = self._listener.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name=f"proxy-{self.port}", daemon=True)
        self._thread.start()
        self._call(self._listen)

    @property
    def accepted(self) -> int:
        """How many connections it has taken so far, those that it reset at once not counted."""
        return self._accepted

    @property
    def connections(self) -> int:
        """How many are open."""
        return len(self._writers) // 2

    def hold(self) -> None:
        """Lets nothing through, and keeps all connections; takes new ones, and holds them too."""
        self._call(lambda: self._become(_State.HELD))

    def cut(self) -> None:
        """Resets all connections, and each new one."""
        self._call(lambda: self._become(_State.CUT))

    def resume(self) -> None:
        """Lets through what it held, and what comes."""
        self._call(lambda: self._become(_State.PASSING))

    def close(self) -> None:
        """Cuts for good."""
        if self._thread.is_alive():
            self._call(self._end)
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(CALL_SECONDS)

    def __enter__(self) -> Proxy:  # noqa: PYI034 - Self needs Python 3.11
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_forever()
        self._loop.close()

    def _call(self, what: Callable[[], Awaitable[None]]) -> None:
        """Does something in the proxy's thread, and waits until it is done."""

        async def done() -> None:
            await what()

        asyncio.run_coroutine_threadsafe(done(), self._loop).result(CALL_SECONDS)

    async def _listen(self) -> None:
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._server = await asyncio.start_server(self._join, sock=self._listener)

    async def _become(self, state: _State) -> None:
        self._state = state
        if state is _State.HELD:
            self._flowing.clear()
        else:
            # What has waited until a cut wakes to find its connections gone.
            self._flowing.set()
        if state is _State.CUT:
            for writer in list(self._writers):
                _reset(writer)
            self._writers.clear()

    async def _end(self) -> None:
        self._server.close()
        await self._become(_State.CUT)
        # Not cancelled: they end by themselves, now that their connections are gone.
        if self._joins:
            await asyncio.wait(self._joins)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._state is _State.CUT:
            _reset(writer)
            return
        task = asyncio.current_task()
        assert task is not None
        self._joins.add(task)
        task.add_done_callback(self._joins.discard)
        self._accepted += 1
        self._writers.add(writer)
        ends = [writer]
        try:
            # What is held gets no further than here, so that the server does not hear of it.
            await self._flowing.wait()
            upstream, onward = await asyncio.open_connection("127.0.0.1", self._upstream)
            ends.append(onward)
            if writer.transport.is_closing():
                # It was cut meanwhile.
                return
            self._writers.add(onward)
            await asyncio.gather(self._pump(reader, onward), self._pump(upstream, writer))
        except OSError:
            # Either end has broken off, or the server is not there: the other end sees the same.
            pass
        finally:
            for end in ends:
                _reset(end)
                self._writers.discard(end)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while piece := await source.read(PIECE):
            await self._flowing.wait()
            sink.write(piece)
            await sink.drain()
        await self._flowing.wait()
        sink.write_eof()


def _reset(writer: asyncio.StreamWriter) -> None:
    """Closes at once, what waits to be sent is lost. After both ends have said all, a reset hurts
    nobody."""
    transport = writer.transport
    if not transport.is_closing():
        sock: socket.socket = transport.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    transport.abort()
