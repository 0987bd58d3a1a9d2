"""The frontend: how it is told to be, and what it says of itself and of its workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import cached_property
from pathlib import Path

import dyno
from dyno.dynamo.client import Client, Refused
from dyno.dynamo.payloads import completion, nvext
from dyno.dynamo.prometheus import Exposition
from dyno.dynamo.router import KvRouterSpec

__all__ = ["BusyThresholds", "Frontend", "FrontendSpec", "RouterMode", "Tls"]


class RouterMode(Enum):
    """How a frontend chooses a worker."""

    ROUND_ROBIN = "round-robin"
    RANDOM = "random"
    #: The less loaded of two that are drawn.
    POWER_OF_TWO = "power-of-two"
    #: By what the workers hold and how loaded they are. The only mode that tells routes.
    KV = "kv"
    #: The request names its worker (`nvext(worker=...)`); one that names none is refused.
    DIRECT = "direct"
    LEAST_LOADED = "least-loaded"
    DEVICE_AWARE = "device-aware-weighted"


@dataclass(frozen=True)
class BusyThresholds:
    """Above which load a worker gets no more requests; while all are above, requests are refused
    with status 529. What is `None` is not looked at.

    Attributes:
        decode_blocks: share of the KV blocks in use, 0 to 1.
        prefill_tokens: tokens waiting for their prefill.
        prefill_share: the same as a share of what the worker takes at a time.
    """

    decode_blocks: float | None = None
    prefill_tokens: int | None = None
    prefill_share: float | None = None

    def arguments(self) -> list[str]:
        """The options that say the same."""
        options = {
            "--active-decode-blocks-threshold": self.decode_blocks,
            "--active-prefill-tokens-threshold": self.prefill_tokens,
            "--active-prefill-tokens-threshold-frac": self.prefill_share,
        }
        return _given(options)


@dataclass(frozen=True)
class Tls:
    """A certificate for 127.0.0.1 and its key, as PEM files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class FrontendSpec:
    """A frontend.

    Attributes:
        router: `kv` by default, because it alone tells who served a request; Dynamo's own default
            is `round-robin`.
        kv: what holds in the router mode `kv`.
        migration_limit: how often a request may move to another worker when its own is lost.
        namespace: the only one whose workers it sees; by default it sees all.
        namespace_prefix: it sees those of all namespaces that begin so.
        anthropic: offer Anthropic's `/v1/messages` too.
        extra: further options, as they are.
        variables: of its environment: Dynamo's settings that have no option.
    """

    router: RouterMode = RouterMode.KV
    kv: KvRouterSpec = field(default_factory=KvRouterSpec)
    busy: BusyThresholds = field(default_factory=BusyThresholds)
    migration_limit: int = 0
    namespace: str | None = None
    namespace_prefix: str | None = None
    tls: Tls | None = None
    anthropic: bool = False
    extra: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, hash=False)

    def arguments(self) -> list[str]:
        """The options of `dynamo.frontend` that say the same, but for its address."""
        arguments = ["--router-mode", self.router.value]
        arguments += ["--migration-limit", str(self.migration_limit)]
        arguments += self.kv.arguments() + self.busy.arguments()
        arguments += _given(
            {
                "--namespace": self.namespace,
                "--namespace-prefix": self.namespace_prefix,
                "--tls-cert-path": None if self.tls is None else self.tls.certificate,
                "--tls-key-path": None if self.tls is None else self.tls.key,
            }
        )
        if self.anthropic:
            arguments.append("--enable-anthropic-api")
        return [*arguments, *self.extra]

    def sees(self, namespace: str) -> bool:
        """Whether it looks for workers there."""
        if self.namespace_prefix is not None:
            return namespace.startswith(self.namespace_prefix)
        return self.namespace in (None, namespace)


@dataclass(frozen=True)
class Frontend:
    """A frontend that was started."""

    spec: FrontendSpec
    process: dyno.Process
    url: str

    @cached_property
    def client(self) -> Client:
        """A client of it."""
        tls = self.spec.tls
        return Client(self.url, trust=None if tls is None else tls.certificate)

    def metrics(self) -> Exposition:
        """What it, and the router in it, tell Prometheus now."""
        return self.client.scrape()

    def live_workers(self, model: str) -> int:
        """How many workers, of whatever role, it knows for a model. Beside Anthropic's API Dynamo
        1.4.2 does not tell, and says that there are none; see `discovered_workers`."""
        reply = self.client.get(f"/v1/models/{model}/ready")
        if reply.status != 200:
            return 0
        namespaces = reply.json()["namespaces"].values()
        return sum(kind["workers"] for n in namespaces for kind in n["worker_types"].values())

    def instances(self) -> list[dict[str, object]]:
        """All endpoints that it has discovered, routers' and its own among them: `namespace`,
        `component`, `endpoint`, `instance_id`."""
        instances: list[dict[str, object]] = self.client.get("/health").json()["instances"]
        return instances

    def discovered_workers(self) -> set[object]:
        """The ids of the workers that it has discovered, of all models; it may know a worker so a
        moment before it routes to it."""
        return {
            each["instance_id"]
            for each in self.instances()
            if each["endpoint"] == "generate" and each["component"] != "router"
        }

    def active_blocks(self, worker: int) -> int:
        """In how many KV blocks a worker's requests are, as the router counts (`kv` alone)."""
        return int(
            self.metrics().total(
                "dynamo_frontend_worker_active_decode_blocks", worker_id=str(worker)
            )
        )

    def answer(self, model: str, worker: int | None = None) -> dict[str, object]:
        """What it answers to a request for one token.

        Raises:
            Refused: with another status than 200.
        """
        # The mode that alone tells it refuses no request for asking.
        asked = nvext(tell_route=True, worker=worker)
        reply = self.client.post("/v1/completions", completion(model, "a", max_tokens=1, **asked))
        if reply.status != 200:
            raise Refused(f"one token of {model}", reply)
        answer: dict[str, object] = reply.json()
        return answer


def _given(options: Mapping[str, object]) -> list[str]:
    """Those options that have a value."""
    return [
        word for name, value in options.items() if value is not None for word in (name, str(value))
    ]
