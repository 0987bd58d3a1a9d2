"""etcd and NATS, as Debian packages them, on a bench.

Each listens on loopback, on leased ports, and keeps its data in the folder it is given, so that a
restart (`process.restart()`) finds it again.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import dyno
from dyno.dynamo.planes import Service

__all__ = ["Etcd", "Nats", "Service", "Services", "etcd", "missing", "nats"]

PROGRAMS = {Service.ETCD: "etcd", Service.NATS: "nats-server"}

# Debian puts servers where a user's PATH does not always look.
SERVER_FOLDERS = "/usr/local/sbin:/usr/sbin:/sbin"

# Either is up in well under a second alone.
READY_SECONDS = 30.0


@dataclass(frozen=True)
class Etcd:
    """An etcd of one member."""

    process: dyno.Process
    url: str


@dataclass(frozen=True)
class Nats:
    """A NATS server with JetStream. `monitor` is the URL of its monitoring endpoint."""

    process: dyno.Process
    url: str
    monitor: str


def missing(service: Service) -> str | None:
    """Why a service cannot be started here, for a reason to skip; `None` if it can."""
    if _program(service) is not None:
        return None
    return f"{PROGRAMS[service]} is not installed: make services"


def etcd(bench: dyno.Bench, folder: Path) -> Etcd:
    """Starts etcd; returns when it says that it is healthy, which it is not before it leads."""
    client, peer = (f"http://127.0.0.1:{port}" for port in bench.ports(2))
    command = [_required(Service.ETCD), "--name", "bench", "--data-dir", str(folder / "etcd")]
    command += ["--listen-client-urls", client, "--advertise-client-urls", client]
    command += ["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer]
    command += ["--initial-cluster", f"bench={peer}"]
    process = bench.process(
        command,
        name="etcd",
        ready=dyno.http(f"{client}/health", body_matches=r'"health"\s*:\s*"?true'),
        ready_timeout=READY_SECONDS,
    )
    return Etcd(process, client)


def nats(bench: dyno.Bench, folder: Path) -> Nats:
    """Starts NATS; returns when it says that it and its JetStream are healthy."""
    port, monitor_port = bench.ports(2)
    command = [_required(Service.NATS), "--addr", "127.0.0.1", "--port", str(port)]
    command += ["--http_port", str(monitor_port), "--jetstream"]
    command += ["--store_dir", str(folder / "nats")]
    monitor = f"http://127.0.0.1:{monitor_port}"
    process = bench.process(
        command,
        name="nats",
        ready=dyno.http(f"{monitor}/healthz", body_matches='"ok"'),
        ready_timeout=READY_SECONDS,
    )
    return Nats(process, f"nats://127.0.0.1:{port}", monitor)


@dataclass(frozen=True)
class Services:
    """The services that a deployment uses."""

    etcd: Etcd | None = None
    nats: Nats | None = None

    @classmethod
    def start(cls, bench: dyno.Bench, folder: Path, needed: Collection[Service]) -> Services:
        """Starts those that are needed.

        Raises:
            FileNotFoundError: one is not installed; see `missing`.
        """
        return cls(
            etcd=etcd(bench, folder) if Service.ETCD in needed else None,
            nats=nats(bench, folder) if Service.NATS in needed else None,
        )

    def stop(self) -> None:
        """Stops those that there are."""
        for service in (self.nats, self.etcd):
            if service is not None:
                service.process.stop()


def _program(service: Service) -> str | None:
    name = PROGRAMS[service]
    return shutil.which(name) or shutil.which(name, path=SERVER_FOLDERS)


def _required(service: Service) -> str:
    program = _program(service)
    if program is None:
        raise FileNotFoundError(missing(service))
    return program
