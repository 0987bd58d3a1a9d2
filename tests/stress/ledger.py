"""A deployment's own account of its requests and of what it holds, to be compared with what the
clients saw.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import dyno
from dyno.dynamo import eventually

from tests.utils.deployment import Deployment

__all__ = ["Held", "counted", "held", "let_go", "processes"]

REQUESTS = "dynamo_frontend_requests_total"

# Servers keep a few connections to each other, and open one more when they are asked to.
SPARE_FILES = 8

# Requests in flight end, and connections are closed, in a fraction of this.
SETTLE_SECONDS = 30.0


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    files: int
    memory: int


def processes(deployment: Deployment) -> dict[str, dyno.Process]:
    """The servers that run, by their names."""
    servers = [each.process for each in deployment.frontends]
    servers += [each.process for each in deployment.workers]
    return {process.name: process for process in servers if process.is_running()}


def counted(deployment: Deployment, at_least: int = 0) -> Counter[str]:
    """How many requests have ended, by `success` or the kind of error, as the frontend says when
    there are so many; the last are counted a moment after their replies were sent."""

    def count() -> Counter[str]:
        ended: Counter[str] = Counter()
        for sample in deployment.metrics().find(REQUESTS):
            kind = sample.labels["error_type"] or sample.labels["status"]
            ended[kind] += int(sample.value)
        return ended

    eventually(
        lambda: count().total() >= at_least,
        what=f"{at_least} requests are counted",
        within=SETTLE_SECONDS,
    )
    return count()


def held(deployment: Deployment) -> dict[str, Held]:
    """What each server holds now."""
    return {
        name: Held(len(os.listdir(Path("/proc", str(process.pid), "fd"))), process.usage().memory)
        for name, process in processes(deployment).items()
    }


def let_go(deployment: Deployment, before: dict[str, Held]) -> dict[str, Held]:
    """Waits until no request is in flight anywhere, and no server has more files open than before;
    returns what they hold then."""

    def busy() -> dict[str, int]:
        metrics = deployment.metrics()
        kinds = ("inflight", "active", "queued")
        flying = {kind: int(metrics.total(f"dynamo_frontend_{kind}_requests")) for kind in kinds}
        flying |= {worker.process.name: worker.in_flight() for worker in deployment.workers}
        return {name: count for name, count in flying.items() if count}

    def more() -> dict[str, tuple[int, int]]:
        now = held(deployment)
        return {
            name: (was.files, now[name].files)
            for name, was in before.items()
            if now[name].files > was.files + SPARE_FILES
        }

    eventually(lambda: not busy(), what="no request is in flight", within=SETTLE_SECONDS)
    eventually(lambda: not more(), what="the files are closed", within=SETTLE_SECONDS)
    return held(deployment)
