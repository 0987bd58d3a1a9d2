"""Load: clients that each send their next request when the last one is answered.

It runs in one event loop and knows no more of HTTP than Dynamo's frontend speaks, so that it costs
the machine less than the servers under load do. It never retries: a request has one answer,
or an error that says why there is none.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import quantiles
from typing import Any
from urllib.parse import urlsplit

__all__ = ["Answer", "Ask", "Load", "percentile", "put_load"]

# From a request to the end of its reply. None of the suite's loads takes a tenth of this.
REPLY_SECONDS = 60.0


@dataclass(frozen=True)
class Ask:
    """One request. `expected` and `kind` are the test's own, to judge the answer by."""

    path: str
    body: dict[str, Any]
    kind: str = ""
    expected: str = ""
    #: Hang up when so many events have come.
    leave_after: int | None = None


@dataclass
class Answer:
    """What came back; the times are of `time.perf_counter`.

    Attributes:
        status: 0 where no reply came.
        text: of the one choice.
        arrivals: when each event of a stream that has text came.
        error: what went wrong after the head of the reply, or instead of it.
    """

    ask: Ask
    sent: float
    ended: float = 0.0
    status: int = 0
    text: str = ""
    tokens: int = 0
    arrivals: list[float] = field(default_factory=list)
    error: str | None = None

    @property
    def seconds(self) -> float:
        """From the request to the end of the reply."""
        return self.ended - self.sent

    @property
    def first(self) -> float:
        """Seconds to the first token of a stream."""
        return self.arrivals[0] - self.sent

    @property
    def gaps(self) -> list[float]:
        """Seconds between the tokens of a stream."""
        return [later - earlier for earlier, later in pairwise(self.arrivals)]


@dataclass(frozen=True)
class Load:
    """All answers, in the order in which they ended, and how long it took."""

    answers: list[Answer]
    seconds: float

    def of(self, kind: str) -> list[Answer]:
        """The answers to requests of that kind."""
        return [answer for answer in self.answers if answer.ask.kind == kind]


def percentile(values: Iterable[float], percent: int) -> float:
    """The value below which so many percent lie (two values at least)."""
    return quantiles(values, n=100, method="inclusive")[percent - 1]


def put_load(
    url: str,
    ask: Callable[[int], Ask],
    *,
    clients: int,
    until: Callable[[int, float], bool],
    reconnect: bool = False,
) -> Load:
    """Loads a server until there is enough; every request that was sent is waited for.

    Args:
        ask: the request of a number; the first is 0.
        until: whether to send no more, by how many were sent and the seconds since the first.
        reconnect: make a connection for each request.
    """
    parts = urlsplit(url)
    assert parts.hostname is not None and parts.port is not None, url
    load = _Loading(parts.hostname, parts.port, ask, until, reconnect)
    return asyncio.run(load.run(clients))


class _Loading:
    def __init__(
        self,
        host: str,
        port: int,
        ask: Callable[[int], Ask],
        until: Callable[[int, float], bool],
        reconnect: bool,
    ) -> None:
        self._address = (host, port)
        self._ask = ask
        self._until = until
        self._reconnect = reconnect
        self._sent = 0
        self._started = 0.0
        self._answers: list[Answer] = []

    async def run(self, clients: int) -> Load:
        self._started = time.perf_counter()
        await asyncio.gather(*(self._client() for _ in range(clients)))
        return Load(self._answers, time.perf_counter() - self._started)

    async def _client(self) -> None:
        connection = _Connection(*self._address)
        while not self._until(self._sent, time.perf_counter() - self._started):
            number, self._sent = self._sent, self._sent + 1
            answer = Answer(self._ask(number), time.perf_counter())
            try:
                await asyncio.wait_for(connection.ask(answer), REPLY_SECONDS)
            except (OSError, EOFError, ValueError, LookupError, asyncio.TimeoutError) as error:
                answer.error = f"{type(error).__name__}: {error}"
                connection.close()
            answer.ended = time.perf_counter()
            self._answers.append(answer)
            if self._reconnect:
                connection.close()
        connection.close()


class _Connection:
    """A connection that is made when it is needed."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    def close(self) -> None:
        if self._open is not None:
            self._open[1].close()
            self._open = None

    async def ask(self, answer: Answer) -> None:
        """Sends the request and reads what comes into its answer."""
        if self._open is None:
            self._open = await asyncio.open_connection(*self._address)
        reader, writer = self._open
        body = json.dumps(answer.ask.body).encode()
        head = f"POST {answer.ask.path} HTTP/1.1\r\nhost: frontend\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower().split("\r\n")
        answer.status = int(lines[0].split(" ")[1])
        headers = dict(line.split(": ", 1) for line in lines[1:] if line)
        if headers.get("content-type", "").startswith("text/event-stream"):
            await self._events(reader, answer)
            return
        if "content-length" in headers:
            data = await reader.readexactly(int(headers["content-length"]))
        else:
            data = b"".join([chunk async for chunk in _chunks(reader)])
        if answer.status == 200:
            _read(json.loads(data), answer)

    async def _events(self, reader: asyncio.StreamReader, answer: Answer) -> None:
        received, done, come = b"", False, 0
        async for chunk in _chunks(reader):
            *events, received = (received + chunk).split(b"\n\n")
            for event in events:
                name, _, data = event.partition(b": ")
                if name != b"data" or done:
                    raise ValueError(f"the stream says {event!r}")
                if data == b"[DONE]":
                    done = True
                    continue
                come += 1
                before = answer.text
                _read(json.loads(data), answer)
                if answer.text != before:
                    answer.arrivals.append(time.perf_counter())
            if answer.ask.leave_after is not None and come >= answer.ask.leave_after:
                self.close()
                return
        if received or not done:
            raise EOFError(f"the stream ends without [DONE], after {received!r}")


async def _chunks(reader: asyncio.StreamReader) -> Any:
    while size := int(await reader.readuntil(b"\r\n"), 16):
        yield await reader.readexactly(size)
        await reader.readexactly(2)
    await reader.readexactly(2)


def _read(told: dict[str, Any], answer: Answer) -> None:
    """Adds what a reply, or a chunk of one, says."""
    for choice in told["choices"]:
        said = choice.get("message") or choice.get("delta") or choice
        answer.text += said.get("text") or said.get("content") or ""
    if told.get("usage") is not None:
        answer.tokens = told["usage"]["completion_tokens"]
