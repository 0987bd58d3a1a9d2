"""How the processes of a deployment find each other and talk: three planes, each of its own kind.

Dynamo 1.4.2 also names a request plane `http` in older documents; its processes refuse it.
Kubernetes discovery needs a cluster and is not offered here.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyno.dynamo.services import Services

__all__ = ["Discovery", "EventPlane", "Planes", "RequestPlane", "Service"]


class Service(Enum):
    """A server that Dynamo needs and does not bring."""

    ETCD = "etcd"
    NATS = "nats"


class Discovery(Enum):
    """Where processes are registered."""

    #: A directory, shared by all processes.
    FILE = "file"
    ETCD = "etcd"
    #: The memory of one process. Two processes never find each other by it.
    MEMORY = "mem"


class RequestPlane(Enum):
    """How a request gets to a worker."""

    TCP = "tcp"
    NATS = "nats"


class EventPlane(Enum):
    """How workers tell what they have in their caches, and how loaded they are."""

    #: Its publishers listen on every interface.
    ZMQ = "zmq"
    NATS = "nats"


@dataclass(frozen=True)
class Planes:
    """The planes of a deployment. By default nothing is needed but Dynamo itself."""

    discovery: Discovery = Discovery.FILE
    requests: RequestPlane = RequestPlane.TCP
    events: EventPlane = EventPlane.ZMQ

    def __str__(self) -> str:
        return f"{self.discovery.value}-{self.requests.value}-{self.events.value}"

    def needs(self) -> frozenset[Service]:
        """The services without which no process of the deployment starts."""
        needed = set()
        if self.discovery is Discovery.ETCD:
            needed.add(Service.ETCD)
        if self.requests is RequestPlane.NATS or self.events is EventPlane.NATS:
            needed.add(Service.NATS)
        return frozenset(needed)

    def environment(self, folder: Path, services: Services) -> dict[str, str]:
        """What tells a process of the deployment.

        Args:
            folder: the directory of file discovery.
            services: where the services are that it needs.
        """
        variables = {
            "DYN_DISCOVERY_BACKEND": self.discovery.value,
            "DYN_REQUEST_PLANE": self.requests.value,
            "DYN_EVENT_PLANE": self.events.value,
            "DYN_TCP_RPC_HOST": "127.0.0.1",
        }
        if self.discovery is Discovery.FILE:
            variables["DYN_FILE_KV"] = str(folder)
        if services.etcd is not None:
            variables["ETCD_ENDPOINTS"] = services.etcd.url
        if services.nats is not None:
            variables["NATS_SERVER"] = services.nats.url
        return variables
