"""Workers: what an engine is told to be, and what it says of itself.

An engine is Dynamo's mocker, which plays vLLM, SGLang or TensorRT-LLM, or a real one
(`dyno.dynamo.engines`). A deployment takes whatever is a `WorkerSpec`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Protocol

import dyno
from dyno.dynamo.client import Client
from dyno.dynamo.prometheus import Exposition

__all__ = [
    "STATUS_SERVER",
    "Assigned",
    "Engine",
    "MockerSpec",
    "Model",
    "Role",
    "Worker",
    "WorkerSpec",
]

# Workers put their served requests under this endpoint; the others are their own traffic.
GENERATE = "generate"

# Is there from when an endpoint is registered.
REQUESTS = "dynamo_component_requests_total"

# What a worker logs when its status server listens.
STATUS_SERVER = "System status server started successfully on "


class Engine(Enum):
    """Which engine it is, or is imitated: its scheduler, its block size, its metrics' names."""

    VLLM = "vllm"
    SGLANG = "sglang"
    TRTLLM = "trtllm"


# What each engine calls the requests that it works at.
RUNNING = {
    Engine.VLLM: "vllm:num_requests_running",
    Engine.SGLANG: "sglang:num_running_reqs",
    Engine.TRTLLM: "trtllm:num_requests_running",
}


class Role(Enum):
    """What a worker does for a request."""

    AGGREGATED = "agg"
    PREFILL = "prefill"
    DECODE = "decode"


class Model(Protocol):
    """A model's directory, and the name it is served under."""

    @property
    def path(self) -> Path: ...

    @property
    def name(self) -> str: ...


@dataclass(frozen=True)
class Assigned:
    """What a deployment gives a worker to be started with.

    Attributes:
        name: the model's, as requests have it.
        script: a file of replies; see `dyno.dynamo.scripts`.
        port: leases one.
    """

    model: Path
    name: str
    script: Path
    port: Callable[[], int]


class WorkerSpec(Protocol):
    """A worker to start.

    `model_name` is the name it serves the model under, `None` for the deployment's; another one
    needs a `namespace` of its own, for Dynamo ends a worker whose endpoint serves another model.
    `python` is the interpreter that has its engine, `None` for the deployment's; `ready_seconds`
    what a start may take.
    """

    @property
    def module(self) -> str: ...

    @property
    def role(self) -> Role: ...

    @property
    def engine(self) -> Engine: ...

    @property
    def block_size(self) -> int: ...

    @property
    def max_model_len(self) -> int: ...

    @property
    def namespace(self) -> str: ...

    @property
    def model_name(self) -> str | None: ...

    @property
    def python(self) -> str | None: ...

    @property
    def ready_seconds(self) -> float: ...

    def arguments(self, assigned: Assigned) -> list[str]: ...

    def environment(self) -> dict[str, str]: ...


@dataclass(frozen=True)
class MockerSpec:
    """A mocker, which needs no weights and no GPU.

    Attributes:
        block_size: tokens in a KV block. Small, so that a short prompt has several.
        blocks: how many of them there are.
        max_model_len: longest sequence, prompt and reply, in tokens (vLLM only: the mocker has no
            such limit for the others).
        speedup: how much faster than the simulated GPU; 1 is about 7 ms a token, 0 is at once.
        data_parallel: ranks of the one worker.
        prefix_caching: whether it keeps blocks for later requests. Dynamo's mocker has no switch
            for telling of them: turn that off at the router (`KvRouterSpec.kv_events`).
        extra: further options, as they are.
        variables: of its environment: Dynamo's settings that have no option.
    """

    role: Role = Role.AGGREGATED
    engine: Engine = Engine.VLLM
    block_size: int = 16
    blocks: int = 16384
    max_model_len: int = 1024
    speedup: float = 10.0
    data_parallel: int = 1
    prefix_caching: bool = True
    namespace: str = "dynamo"
    model_name: str | None = None
    python: str | None = None
    # Longest seen for a deployment of two workers: 4 s alone, 14 s with three others starting on
    # two cores. A start that takes longer than this is stuck.
    ready_seconds: float = 90.0
    extra: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "dynamo.mocker"

    def arguments(self, assigned: Assigned) -> list[str]:
        """The mocker's options that say the same."""
        arguments = ["--model-path", str(assigned.model), "--model-name", assigned.name]
        arguments += ["--response-replay-trace-path", str(assigned.script)]
        arguments += ["--disaggregation-mode", self.role.value]
        arguments += ["--engine-type", self.engine.value]
        arguments += ["--speedup-ratio", str(self.speedup)]
        arguments += ["--num-gpu-blocks-override", str(self.blocks)]
        size = "--sglang-page-size" if self.engine is Engine.SGLANG else "--block-size"
        arguments += [size, str(self.block_size)]
        if self.engine is Engine.VLLM:
            arguments += ["--max-model-len", str(self.max_model_len)]
        if self.data_parallel != 1:
            arguments += ["--data-parallel-size", str(self.data_parallel)]
        if not self.prefix_caching:
            arguments.append("--no-enable-prefix-caching")
        # As TensorRT-LLM it takes the option and then refuses every request.
        if self.role is Role.PREFILL and self.engine is not Engine.TRTLLM:
            arguments += ["--bootstrap-ports", str(assigned.port())]
        return [*arguments, *self.extra]

    def environment(self) -> dict[str, str]:
        """What it has besides what every worker has."""
        return dict(self.variables)


@dataclass(frozen=True)
class Worker:
    """A process that was started, which is one worker; its spec is what it was started by."""

    spec: WorkerSpec
    process: dyno.Process
    # What it has said of itself, by process: one that is started again says otherwise.
    _urls: dict[int, str] = field(default_factory=dict, init=False, repr=False, compare=False)
    _ids: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)

    @property
    def url(self) -> str:
        """Its status server, on a port that it chose itself.

        It is not given a leased port: Dynamo 1.4.2 reads `DYN_SYSTEM_PORT` as a signed 16-bit
        number and refuses the upper half of the ports. Its log is the only place that says it.
        """
        if self.process.pid not in self._urls:
            line = self.process.wait_for_log(STATUS_SERVER)
            self._urls[self.process.pid] = f"http://{line.rsplit(maxsplit=1)[-1]}"
        return self._urls[self.process.pid]

    @property
    def id(self) -> int:
        """The id by which the frontend, the router and `nvext` name it. One that is started again
        has another."""
        if self.process.pid not in self._ids:
            sample = next(self.metrics().find("dynamo_component_uptime_seconds"))
            self._ids[self.process.pid] = int(sample.labels["worker_id"], 16)
        return self._ids[self.process.pid]

    def takes_requests(self) -> bool:
        """Whether it says that its endpoint for requests is ready. (The status of the page that
        says so is 503 even then, unless Dynamo is told otherwise.)"""
        # Asked first, because each 503 is a line of the worker's log: of a vLLM that did not start
        # in time nothing else was to be seen there.
        if not any(self.metrics().find(REQUESTS, dynamo_endpoint=GENERATE)):
            return False
        endpoints = Client(self.url).get("/health").json()["endpoints"]
        return bool(endpoints.get(GENERATE) == "ready")

    def metrics(self) -> Exposition:
        """What it tells Prometheus now."""
        return Client(self.url).scrape()

    def served(self) -> int:
        """How many requests it has taken so far."""
        return int(self.metrics().total(REQUESTS, dynamo_endpoint=GENERATE))

    def in_flight(self) -> int:
        """How many requests it is working at."""
        return int(
            self.metrics().total("dynamo_component_inflight_requests", dynamo_endpoint=GENERATE)
        )

    def running(self) -> int:
        """How many requests its engine is working at, by the engine's own word. (`in_flight` is
        Dynamo's: an engine may work at what Dynamo has dropped.)"""
        return int(self.metrics().total(RUNNING[self.spec.engine]))

    def kv_usage(self) -> float:
        """Which share of its KV blocks its engine has in use, 0 to 1.

        Raises:
            LookupError: its engine does not tell, as the mocker does not as SGLang.
        """
        return self.metrics().only(f"{self.spec.engine.value}:kv_cache_usage_perc").value
