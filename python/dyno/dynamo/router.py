"""The KV router: its options, in a frontend or alone, and the process that it is alone.

Alone it serves its endpoints on the request plane and has no HTTP of its own, so there is nothing
here to ask it by: a test does that with Dynamo's runtime.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from enum import Enum

import dyno

__all__ = ["KvRouterSpec", "QueuePolicy", "Router", "RouterSpec"]


class QueuePolicy(Enum):
    """Which of the queued requests is next."""

    FIRST_COME = "fcfs"
    #: Weighted shortest processing time.
    SHORTEST = "wspt"


@dataclass(frozen=True)
class KvRouterSpec:
    """Options of the KV router; what is `None` is left to Dynamo.

    Attributes:
        kv_overlap_score_credit: worth of a block that the worker holds; 1 is Dynamo's default.
        kv_events: whether workers tell what they hold. If not, the router predicts it.
        ttl_secs: how long a predicted block lasts, without events.
        predicted_ttl_secs: predict besides the events, and for so long.
        replica_sync: whether routers tell each other what they have under way.
        queue_threshold: the share of a worker's prefill capacity above which requests queue.
        load_aware: route by load alone.
    """

    kv_overlap_score_credit: float | None = None
    kv_overlap_score_credit_decay: float | None = None
    prefill_load_scale: float | None = None
    decode_active_request_weight: float | None = None
    temperature: float | None = None
    kv_events: bool | None = None
    ttl_secs: float | None = None
    predicted_ttl_secs: float | None = None
    event_threads: int | None = None
    replica_sync: bool | None = None
    track_active_blocks: bool | None = None
    track_output_blocks: bool | None = None
    track_prefill_tokens: bool | None = None
    assume_kv_reuse: bool | None = None
    queue_threshold: float | None = None
    queue_policy: QueuePolicy | None = None
    load_aware: bool | None = None

    def arguments(self) -> list[str]:
        """The options that say the same. A field's name is its option's."""
        arguments = []
        for each in fields(self):
            # The one that is not under `--router-`.
            prefix = "" if each.name == "load_aware" else "router-"
            option = prefix + each.name.replace("_", "-")
            arguments += _option(option, getattr(self, each.name))
        return arguments


def _option(name: str, value: float | bool | QueuePolicy | None) -> list[str]:
    if value is None:
        return []
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", str(value.value if isinstance(value, QueuePolicy) else value)]


@dataclass(frozen=True)
class RouterSpec:
    """A router that runs alone.

    Attributes:
        component: of the workers that it routes to; `prefill` for prefill workers.
        block_size: that of the workers.
    """

    namespace: str = "dynamo"
    component: str = "backend"
    block_size: int = 16
    kv: KvRouterSpec = field(default_factory=KvRouterSpec)

    def arguments(self) -> list[str]:
        """The options of `dynamo.router` that say the same."""
        endpoint = f"{self.namespace}.{self.component}.generate"
        arguments = ["--endpoint", endpoint, "--router-block-size", str(self.block_size)]
        return arguments + self.kv.arguments()


@dataclass(frozen=True)
class Router:
    """A router that runs alone: its process, and the endpoint where it takes requests."""

    spec: RouterSpec
    process: dyno.Process

    @property
    def endpoint(self) -> str:
        """`NAMESPACE.COMPONENT.ENDPOINT`, for Dynamo's runtime."""
        return f"{self.spec.namespace}.router.generate"
