"""Processes that find each other in a directory, when that directory is damaged."""

from __future__ import annotations

from pathlib import Path

import pytest
from dyno.dynamo import FrontendSpec, Overdue, RouterMode, completion, eventually

from tests.utils.counting import CountingSpec
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.fault_tolerance,
]

ROUND_ROBIN = FrontendSpec(router=RouterMode.ROUND_ROBIN)


def asked(deployment: Deployment) -> list[int]:
    """Sends four requests, and tells how many each worker has served."""
    before = [worker.served() for worker in deployment.workers]
    for _ in range(4):
        reply = deployment.client.post("/v1/completions", completion("tiny", [7, 8], max_tokens=1))
        assert reply.status == 200, reply.text
    return [w.served() - b for w, b in zip(deployment.workers, before, strict=True)]


def files_of(deployment: Deployment, worker: int) -> list[Path]:
    return [
        path
        for path in deployment.discovery.rglob(f"*{deployment.workers[worker].id:x}")
        if path.is_file()
    ]


def remove_files(deployment: Deployment, worker: int) -> None:
    files = files_of(deployment, worker)
    assert {path.parent.name for path in files} == {"instances", "mdc"}
    for path in files:
        path.unlink()


def test_worker_whose_files_are_gone_gets_no_more_requests(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), CountingSpec(gate), frontend=ROUND_ROBIN)
    assert asked(deployment) == [2, 2]

    remove_files(deployment, 0)

    eventually(lambda: deployment.live_workers() == 1, what="it is forgotten")
    assert asked(deployment) == [0, 4]


@pytest.mark.xfail(
    strict=True,
    raises=Overdue,
    reason="a worker of Dynamo 1.4.2 whose file is gone neither registers again nor ends: "
    "docs/findings.md, F43",
)
def test_worker_whose_files_are_gone_registers_again(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), CountingSpec(gate), frontend=ROUND_ROBIN)
    worker = deployment.workers[0]
    mark = worker.process.mark_log()
    remove_files(deployment, 0)
    # It has seen it.
    worker.process.wait_for_log("keep_alive failed", since=mark)

    eventually(lambda: files_of(deployment, 0), what="its files are there again", within=5.0)


def test_nobody_is_forgotten_while_the_directory_is_away(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), CountingSpec(gate), frontend=ROUND_ROBIN)
    marks = [worker.process.mark_log() for worker in deployment.workers]
    aside = deployment.discovery.with_name("aside")
    deployment.discovery.rename(aside)
    for worker, mark in zip(deployment.workers, marks, strict=True):
        worker.process.wait_for_log("keep_alive failed", since=mark)

    assert asked(deployment) == [2, 2]

    aside.rename(deployment.discovery)
    deployment.add(CountingSpec(gate))
    assert deployment.live_workers() == 3


def test_rubbish_in_the_directory_hides_no_worker(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(CountingSpec(gate), frontend=ROUND_ROBIN)
    mark = deployment.frontend.process.mark_log()
    for path in files_of(deployment, 0):
        path.with_name(f"{path.name[:-4]}dead").write_text("{rubbish")
    deployment.frontend.process.wait_for_log("Failed to parse discovery instance", since=mark)
    assert asked(deployment) == [4]

    deployment.add(CountingSpec(gate))

    assert asked(deployment) == [2, 2]
