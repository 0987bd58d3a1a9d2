"""Workers: what a mocker is told to be, and what it says of itself."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import cached_property

import dyno

from tests.utils.plain_http import scrape
from tests.utils.prometheus import Exposition

__all__ = ["STATUS_SERVER", "TAKES_REQUESTS", "Engine", "Role", "Worker", "WorkerSpec"]

# `dynamo.mocker` puts its served requests under this endpoint; the others are its own traffic.
GENERATE = "generate"

# What a worker logs when its status server listens, and when it takes requests.
STATUS_SERVER = "System status server started successfully on "
TAKES_REQUESTS = f"Registered endpoint '[^']*{GENERATE}'"


class Engine(Enum):
    """Which engine a mocker imitates: its scheduler, its block size, its metrics' names."""

    VLLM = "vllm"
    SGLANG = "sglang"
    TRTLLM = "trtllm"


class Role(Enum):
    """What a worker does for a request."""

    AGGREGATED = "agg"
    PREFILL = "prefill"
    DECODE = "decode"


@dataclass(frozen=True)
class WorkerSpec:
    """What to start.

    Attributes:
        block_size: tokens in a KV block. Small, so that a short prompt has several.
        max_model_len: longest sequence, prompt and reply, in tokens (vLLM only: the mocker has no
            such limit for the others).
        speedup: how much faster than the simulated GPU; 1 is about 7 ms a token.
    """

    role: Role = Role.AGGREGATED
    engine: Engine = Engine.VLLM
    block_size: int = 16
    max_model_len: int = 1024
    speedup: float = 10.0

    def arguments(self) -> list[str]:
        """The mocker's options that say the same."""
        arguments = ["--disaggregation-mode", self.role.value]
        arguments += ["--engine-type", self.engine.value]
        arguments += ["--speedup-ratio", str(self.speedup)]
        if self.engine is Engine.SGLANG:
            return [*arguments, "--sglang-page-size", str(self.block_size)]
        arguments += ["--block-size", str(self.block_size)]
        if self.engine is Engine.VLLM:
            arguments += ["--max-model-len", str(self.max_model_len)]
        return arguments


@dataclass(frozen=True)
class Worker:
    """A mocker process, which is one worker."""

    spec: WorkerSpec
    process: dyno.Process

    @cached_property
    def url(self) -> str:
        """Its status server, on a port that it chose itself.

        It is not given a leased port: Dynamo 1.4.2 reads `DYN_SYSTEM_PORT` as a signed 16-bit
        number and refuses the upper half of the ports.
        """
        line = self.process.wait_for_log(STATUS_SERVER)
        return f"http://{line.rsplit(maxsplit=1)[-1]}"

    @cached_property
    def id(self) -> int:
        """The id by which the frontend, the router and `nvext` name it."""
        sample = next(self.metrics().find("dynamo_component_uptime_seconds"))
        return int(sample.labels["worker_id"], 16)

    def metrics(self) -> Exposition:
        """What it tells Prometheus now."""
        return scrape(f"{self.url}/metrics")

    def served(self) -> int:
        """How many requests it has taken so far."""
        return int(
            self.metrics().total("dynamo_component_requests_total", dynamo_endpoint=GENERATE)
        )

    def in_flight(self) -> int:
        """How many requests it is working at."""
        return int(
            self.metrics().total("dynamo_component_inflight_requests", dynamo_endpoint=GENERATE)
        )
