"""Asks endpoints of Dynamo's runtime that have no HTTP before them, by a process that is a client
of the runtime and nothing else: a process has one runtime, which stays until it ends.

It reads a line of JSON a call, an endpoint and what it is to be sent, and writes `CALL n`, with all
that came back as JSON. `Caller` is its end in a test.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from typing import Any

import dyno
from dyno.dynamo import Deployment

__all__ = ["Caller"]

# A call of an endpoint that is known is a matter of milliseconds.
SECONDS = 60.0

# What the runtime says of an endpoint whose instances it does not send to yet, and how long it is
# until it is asked again.
NOT_YET = "No workers available"
POLL_SECONDS = 0.02


class Caller:
    """A process beside a deployment that calls endpoints of its runtime."""

    def __init__(self, bench: dyno.Bench, deployment: Deployment, python: str) -> None:
        self._process = bench.process(
            [python, __file__],
            name="caller",
            env=deployment.environment,
            stdin=True,
            ready=dyno.log("^CALLER READY$"),
            ready_timeout=SECONDS,
        )
        self._calls = 0

    def __call__(self, endpoint: str, payload: Any) -> list[Any]:
        """Sends a payload to `NAMESPACE.COMPONENT.ENDPOINT`; all that it answers, in order.

        Raises:
            RuntimeError: the endpoint answers with an error.
        """
        self._calls += 1
        self._process.write(json.dumps([endpoint, payload]) + "\n")
        line = self._process.wait_for_log(f"^CALL {self._calls} ", timeout=SECONDS)
        answer: dict[str, Any] = json.loads(line.split(" ", 2)[2])
        if "error" in answer:
            raise RuntimeError(answer["error"])
        answers: list[Any] = answer["answers"]
        return answers


async def _call(runtime: Any, clients: dict[str, Any], endpoint: str, payload: Any) -> list[Any]:
    if endpoint not in clients:
        clients[endpoint] = await runtime.endpoint(endpoint).client()
        await clients[endpoint].wait_for_instances()
    return [answer.data() async for answer in await _sent(clients[endpoint], payload)]


async def _sent(client: Any, payload: Any) -> Any:
    """The answers to a payload that has been sent. A client that knows of an instance may have to
    wait until it is among those that requests go to."""
    end = asyncio.get_running_loop().time() + SECONDS / 2
    while True:
        try:
            return await client.generate(payload)
        except Exception as error:
            if NOT_YET not in str(error) or asyncio.get_running_loop().time() > end:
                raise
            await asyncio.sleep(POLL_SECONDS)


async def _serve() -> None:
    from dynamo.runtime import DistributedRuntime

    runtime = DistributedRuntime(
        asyncio.get_running_loop(),
        os.environ["DYN_DISCOVERY_BACKEND"],
        os.environ["DYN_REQUEST_PLANE"],
    )
    clients: dict[str, Any] = {}
    number = 0
    print("CALLER READY", flush=True)
    while line := await asyncio.to_thread(sys.stdin.readline):
        number += 1
        answer: dict[str, Any]
        try:
            answer = {"answers": await _call(runtime, clients, *json.loads(line))}
        # What the runtime raises has no base of its own; all of it is the test's to see.
        except Exception as error:  # noqa: BLE001
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(f"CALL {number} {json.dumps(answer)}", flush=True)


if __name__ == "__main__":
    asyncio.run(_serve())
