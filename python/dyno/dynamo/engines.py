"""Workers with a real engine: vLLM, SGLang, TensorRT-LLM.

Each engine lives in an environment of its own, which the field `python` names.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path

from dyno.dynamo.workers import Assigned, Engine, Role

__all__ = ["SglangSpec", "TrtllmSpec", "VllmSpec"]

# SGLang's kernels for a CPU are in no package. With these it computes by PyTorch alone, but for
# rotary positions, which it takes from vLLM's package. It would take half of the memory for its
# cache. Found with SGLang 0.5.16 in November 2026.
ON_CPU = [
    *("--attention-backend", "torch_native"),
    *("--sampling-backend", "pytorch"),
    "--disable-overlap-schedule",
    *("--max-total-tokens", "16384"),
]


@dataclass(frozen=True)
class VllmSpec:
    """A real vLLM under Dynamo, by default on the CPU.

    Attributes:
        python: the interpreter that has vLLM; it lives in an environment of its own.
        kv_events: whether it tells the KV router what it holds.
        cache_gib: KV cache on the CPU, in GiB.
        threads: OpenMP threads. One, for a model that is tiny: engines that share processors, each
            with a thread bound to every one of them, wait for each other.
        transfer: vLLM's `--kv-transfer-config`, which a prefill worker must have.
        nixl_port: where its NIXL connector tells others of its memory; each worker that transfers
            by NIXL needs one of its own.
        cache: where vLLM keeps what it finds out about a model's class, by a process of its own and
            8 s of CPU. By default under the deployment's home, which is new each time.
        eager: compile nothing, which takes longer than any test: 47 s of a start on two cores.
        extra: further options, as they are.
    """

    python: str | None = None
    role: Role = Role.AGGREGATED
    block_size: int = 128
    max_model_len: int = 512
    kv_events: bool = True
    cache_gib: int = 1
    threads: int = 1
    namespace: str = "dynamo"
    model_name: str | None = None
    transfer: dict[str, object] | None = None
    nixl_port: int | None = None
    cache: Path | None = None
    eager: bool = True
    # 37 s of CPU, mostly imports by four processes. Alone on two cores that takes 30 s, beside a
    # load of 20 it was not done after 240 s.
    ready_seconds: float = 600.0
    extra: tuple[str, ...] = ()
    engine: Engine = field(default=Engine.VLLM, init=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "dynamo.vllm"

    def arguments(self, assigned: Assigned) -> list[str]:
        """The options of `dynamo.vllm`, some of which are vLLM's, that say the same."""
        arguments = ["--model", str(assigned.model), "--served-model-name", assigned.name]
        arguments += ["--disaggregation-mode", self.role.value]
        arguments += ["--max-model-len", str(self.max_model_len)]
        arguments += ["--block-size", str(self.block_size)]
        if self.kv_events:
            events = {
                "enable_kv_cache_events": True,
                "publisher": "zmq",
                # To an address without a star vLLM connects, and nobody hears it.
                "endpoint": f"tcp://*:{assigned.port()}",
            }
            arguments += ["--kv-events-config", json.dumps(events)]
        if self.transfer is not None:
            arguments += ["--kv-transfer-config", json.dumps(self.transfer)]
        if self.eager:
            arguments.append("--enforce-eager")
        return [*arguments, *self.extra]

    def environment(self) -> dict[str, str]:
        """Its caches, its threads, what it compiles, and where NIXL listens."""
        variables = {
            "VLLM_CPU_KVCACHE_SPACE": str(self.cache_gib),
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "OMP_NUM_THREADS": str(self.threads),
        }
        if self.cache is not None:
            variables["VLLM_CACHE_ROOT"] = str(self.cache)
        if self.eager:
            # The option leaves what is compiled apart from the model.
            variables["TORCH_COMPILE_DISABLE"] = "1"
        if self.nixl_port is not None:
            variables["VLLM_NIXL_SIDE_CHANNEL_HOST"] = "127.0.0.1"
            variables["VLLM_NIXL_SIDE_CHANNEL_PORT"] = str(self.nixl_port)
        return variables


@dataclass(frozen=True)
class SglangSpec:
    """A real SGLang under Dynamo, by default on the device that it finds.

    Attributes:
        python: the interpreter that has SGLang; it lives in an environment of its own.
        block_size: SGLang's page.
        device: SGLang's `--device`; `None` for what it finds. On the `cpu` it is told to use no
            kernel that needs one of its own.
        memory: the share of the device's memory that weights and cache may have; `None` for
            SGLang's own.
        transfer: what carries KV blocks from a prefill worker to a decode worker.
        kv_events: whether it tells the KV router what it holds.
        graphs: whether it captures CUDA graphs, which takes longer than any test.
        extra: further options, as they are.
    """

    python: str | None = None
    role: Role = Role.AGGREGATED
    block_size: int = 16
    max_model_len: int = 512
    device: str | None = None
    memory: float | None = None
    transfer: str = "nixl"
    kv_events: bool = True
    graphs: bool = False
    namespace: str = "dynamo"
    model_name: str | None = None
    ready_seconds: float = 600.0
    extra: tuple[str, ...] = ()
    variables: dict[str, str] = field(default_factory=dict, hash=False)
    engine: Engine = field(default=Engine.SGLANG, init=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "dynamo.sglang"

    def arguments(self, assigned: Assigned) -> list[str]:
        """The options of `dynamo.sglang`, most of which are SGLang's, that say the same."""
        arguments = ["--model-path", str(assigned.model), "--served-model-name", assigned.name]
        arguments += ["--page-size", str(self.block_size)]
        arguments += ["--context-length", str(self.max_model_len), "--enable-metrics"]
        if self.device is not None:
            arguments += ["--device", self.device]
        if self.device == "cpu":
            arguments += ON_CPU
        if self.memory is not None:
            arguments += ["--mem-fraction-static", str(self.memory)]
        if not self.graphs:
            arguments.append("--disable-cuda-graph")
        if self.role is not Role.AGGREGATED:
            arguments += ["--disaggregation-mode", self.role.value]
            arguments += ["--disaggregation-transfer-backend", self.transfer]
            arguments += ["--disaggregation-bootstrap-port", str(assigned.port())]
        if self.kv_events:
            events = {"publisher": "zmq", "endpoint": f"tcp://*:{assigned.port()}"}
            arguments += ["--kv-events-config", json.dumps(events)]
        return [*arguments, *self.extra]

    def environment(self) -> dict[str, str]:
        """What it is given, and where the tools are that it builds its kernels with: beside its
        interpreter."""
        if self.python is None:
            return dict(self.variables)
        path = os.pathsep.join([str(Path(self.python).parent), os.environ.get("PATH", os.defpath)])
        return {"PATH": path, **self.variables}


@dataclass(frozen=True)
class TrtllmSpec:
    """A real TensorRT-LLM under Dynamo, on a GPU.

    Attributes:
        python: the interpreter that has TensorRT-LLM; it lives in an environment of its own.
        memory: the share of the free memory of the GPU that the cache may have.
        kv_events: whether it tells the KV router what it holds.
        settings: of TensorRT-LLM's `LlmArgs`, over what the options say.
        extra: further options, as they are.
    """

    python: str | None = None
    role: Role = Role.AGGREGATED
    block_size: int = 32
    max_model_len: int = 512
    memory: float = 0.2
    kv_events: bool = True
    settings: dict[str, object] = field(default_factory=dict, hash=False)
    namespace: str = "dynamo"
    model_name: str | None = None
    ready_seconds: float = 600.0
    extra: tuple[str, ...] = ()
    engine: Engine = field(default=Engine.TRTLLM, init=False)

    @property
    def module(self) -> str:
        """What `python -m` runs."""
        return "dynamo.trtllm"

    def arguments(self, assigned: Assigned) -> list[str]:
        """The options of `dynamo.trtllm` that say the same."""
        arguments = ["--model", str(assigned.model), "--served-model-name", assigned.name]
        arguments += ["--disaggregation-mode", self.role.value]
        arguments += ["--kv-block-size", str(self.block_size)]
        arguments += ["--max-seq-len", str(self.max_model_len)]
        arguments += ["--free-gpu-memory-fraction", str(self.memory)]
        if self.kv_events:
            arguments.append("--publish-kv-events")
        if self.settings:
            arguments += ["--override-engine-args", json.dumps(self.settings)]
        return [*arguments, *self.extra]

    def environment(self) -> dict[str, str]:
        """None of its own."""
        return {}
