"""A Dynamo deployment on one machine: a frontend, and mockers that play its workers.

Discovery is a directory, requests go over TCP, events over ZeroMQ: no etcd, no NATS, nothing that
two deployments could share. All files lie under the folder that the deployment is given, all
sockets but those of events are on loopback (Dynamo opens these on every interface), and every port
that must be known beforehand is leased from the bench.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

import dyno
import openai

from tests.utils.extensions import nvext, route_of
from tests.utils.model import TinyModel
from tests.utils.plain_http import get, scrape
from tests.utils.prometheus import Exposition
from tests.utils.replies import Replies, write_trace
from tests.utils.waiting import eventually
from tests.utils.workers import STATUS_SERVER, TAKES_REQUESTS, Role, Worker, WorkerSpec

__all__ = ["Deployment", "RouterMode"]

# Longest seen for a deployment of two workers: 4 s alone, 14 s with three others starting on two
# cores. A start that takes longer than this is stuck.
READY_SECONDS = 90.0

# A worker that is told to go waits for its requests; the longest of the suite takes 6 s.
STOP_SECONDS = 20.0

# How long the client waits for a reply or for the next chunk of a stream.
CLIENT_SECONDS = 30.0


class RouterMode(Enum):
    """How the frontend chooses a worker."""

    KV = "kv"
    ROUND_ROBIN = "round-robin"


@dataclass
class Deployment:
    """A frontend and its workers.

    Attributes:
        python: the interpreter that has Dynamo.
        root: an empty folder of its own.
        migration_limit: how often a request may move to another worker when its own is lost.
        replies: what workers can be asked to say.
        workers: all that were started, in that order, gone or not.
        frontend: its process, which counts as ready when it has answered a request.
        url: the frontend's address.
    """

    bench: dyno.Bench
    python: str
    root: Path
    model: TinyModel
    router: RouterMode = RouterMode.KV
    migration_limit: int = 0
    replies: Replies = field(default_factory=dict)
    workers: list[Worker] = field(default_factory=list, init=False)
    frontend: dyno.Process = field(init=False)
    url: str = field(init=False)

    def __post_init__(self) -> None:
        self.url = f"http://127.0.0.1:{self.bench.port()}"
        (self.root / "discovery").mkdir()
        (self.root / "home").mkdir()
        write_trace(self.root / "replies.jsonl", self.replies, self.model)

    def start(self, specs: Sequence[WorkerSpec]) -> None:
        """Starts the frontend and the workers side by side, and waits until a request passes."""
        self.frontend = self._launch_frontend()
        launched = [self._launch(spec) for spec in specs]
        for worker in launched:
            worker.process.wait_ready()
        self.frontend.wait_ready()
        self.await_workers(len(launched))
        if any(spec.role is Role.PREFILL for spec in specs):
            self._await_prefill()

    def add(self, spec: WorkerSpec) -> Worker:
        """Starts one more worker; returns when the frontend knows it."""
        known = self.live_workers()
        worker = self._launch(spec)
        worker.process.wait_ready()
        self.await_workers(known + 1)
        if spec.role is Role.PREFILL:
            self._await_prefill()
        return worker

    def await_workers(self, count: int) -> None:
        """Waits until the frontend knows exactly so many workers."""
        eventually(
            lambda: self.live_workers() == count,
            what=f"the frontend knows {count} workers",
            within=READY_SECONDS,
        )

    def _await_prefill(self) -> None:
        """Waits until a request is prefilled by one worker and decoded by another.

        When a prefill worker joins, the frontend first knows it, then links it to the decode
        workers. Between the two a request may be served by a decode worker alone, or fail.
        """

        def disaggregated() -> bool:
            try:
                completion = self.client.completions.create(
                    model=self.model.name,
                    prompt="a",
                    max_tokens=1,
                    extra_body=nvext(tell_route=True),
                )
            except openai.APIStatusError:
                return False
            return route_of(completion).disaggregated

        eventually(disaggregated, what="a request is prefilled apart", within=READY_SECONDS)

    def live_workers(self) -> int:
        """How many workers, of whatever role, the frontend knows for the model."""
        reply = get(f"{self.url}/v1/models/{self.model.name}/ready")
        if reply.status != 200:
            return 0
        namespaces = reply.json()["namespaces"].values()
        return sum(kind["workers"] for n in namespaces for kind in n["worker_types"].values())

    def metrics(self) -> Exposition:
        """What the frontend, and the router in it, tell Prometheus now."""
        return scrape(f"{self.url}/metrics")

    @cached_property
    def client(self) -> openai.OpenAI:
        """An OpenAI client of the frontend. It never retries: a failure is to be seen."""
        return openai.OpenAI(
            base_url=f"{self.url}/v1",
            api_key="none",
            max_retries=0,
            timeout=CLIENT_SECONDS,
            http_client=openai.DefaultHttpxClient(trust_env=False),
        )

    def async_client(self) -> openai.AsyncOpenAI:
        """The same for `asyncio`; a context manager, to be used in one event loop."""
        return openai.AsyncOpenAI(
            base_url=f"{self.url}/v1",
            api_key="none",
            max_retries=0,
            timeout=CLIENT_SECONDS,
            http_client=openai.DefaultAsyncHttpxClient(trust_env=False),
        )

    def _launch_frontend(self) -> dyno.Process:
        # `/v1/models` answers, and even names the model, before a request can be routed.
        one_token = {"model": self.model.name, "prompt": "a", "max_tokens": 1}
        answers = dyno.http(
            f"{self.url}/v1/completions",
            method="POST",
            headers={"content-type": "application/json"},
            body=json.dumps(one_token),
        )
        command = [self.python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1"]
        command += ["--http-port", self.url.rpartition(":")[2], "--router-mode", self.router.value]
        command += ["--migration-limit", str(self.migration_limit)]
        return self.bench.process(
            command,
            name="frontend",
            env=self._environment(),
            cwd=self.root,
            ready=answers,
            ready_timeout=READY_SECONDS,
            wait=False,
        )

    def _launch(self, spec: WorkerSpec) -> Worker:
        command = [self.python, "-m", "dynamo.mocker"]
        command += ["--model-path", str(self.model.path), "--model-name", self.model.name]
        command += ["--response-replay-trace-path", str(self.root / "replies.jsonl")]
        command += spec.arguments()
        if spec.role is Role.PREFILL:
            command += ["--bootstrap-ports", str(self.bench.port())]
        process = self.bench.process(
            command,
            name=f"{spec.role.value}-{len(self.workers) + 1}",
            env={**self._environment(), "DYN_SYSTEM_PORT": "0"},
            cwd=self.root,
            ready=[dyno.log(STATUS_SERVER), dyno.log(TAKES_REQUESTS)],
            ready_timeout=READY_SECONDS,
            stop_timeout=STOP_SECONDS,
            wait=False,
        )
        worker = Worker(spec, process)
        self.workers.append(worker)
        return worker

    def _environment(self) -> dict[str, str]:
        """What keeps a process of the deployment to its folder and to loopback."""
        return {
            "DYN_DISCOVERY_BACKEND": "file",
            "DYN_FILE_KV": str(self.root / "discovery"),
            "DYN_REQUEST_PLANE": "tcp",
            "DYN_EVENT_PLANE": "zmq",
            "DYN_TCP_RPC_HOST": "127.0.0.1",
            # A worker serves the model's files to the frontend from here.
            "DYN_SYSTEM_HOST": "127.0.0.1",
            "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
            # The frontend caches those files under its home.
            "HOME": str(self.root / "home"),
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }

    def close(self) -> None:
        """Closes the client's connections; the bench ends the processes."""
        client = self.__dict__.pop("client", None)
        if client is not None:
            client.close()
