"""etcd that hangs, is restarted or is gone, and workers that cannot reach it.

A process keeps a lease of 10 s in etcd, and with it all that others know of it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable
from pathlib import Path

import pytest
from dyno.dynamo import (
    Client,
    Discovery,
    FrontendSpec,
    MockerSpec,
    Planes,
    RouterMode,
    completion,
    eventually,
)

from tests.utils.counting import CountingSpec, counted
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught
from tests.utils.proxy import Proxy

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.frontend,
    pytest.mark.mocker,
    pytest.mark.fault_tolerance,
]

PLANES = Planes(Discovery.ETCD)
ROUND_ROBIN = FrontendSpec(router=RouterMode.ROUND_ROBIN)
PROMPT = list(range(20, 30))
TOKENS = 40

# Three leases.
LEASE_SECONDS = 30.0


def etcd_of(deployment: Deployment) -> tuple[Client, int]:
    """A client of etcd that soon loses patience, and etcd's port."""
    service = deployment.services.etcd
    assert service is not None
    return Client(service.url, timeout=0.5), int(service.url.rpartition(":")[2])


def asked(deployment: Deployment, requests: int = 4) -> list[int]:
    """Sends requests, and tells how many each worker has served."""
    running = [worker for worker in deployment.workers if worker.process.is_running()]
    before = [worker.served() for worker in running]
    for _ in range(requests):
        reply = deployment.client.post("/v1/completions", completion("tiny", [7, 8], max_tokens=1))
        assert reply.status == 200, reply.text
    return [worker.served() - b for worker, b in zip(running, before, strict=True)]


def keys_of(deployment: Deployment, worker: int) -> int:
    """How many keys etcd has that name a worker."""
    etcd, _ = etcd_of(deployment)
    everything = {"key": "AA==", "range_end": "AA==", "keys_only": True}
    found = Client(etcd.url).post("/v3/kv/range", everything).json().get("kvs", [])
    names = [b64decode(each["key"]).decode() for each in found]
    return sum(name.endswith(f"{worker:x}") for name in names)


@pytest.mark.pre_merge
def test_etcd_that_hangs_for_less_than_a_lease_is_not_missed(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec(), frontend=ROUND_ROBIN, planes=PLANES)
    etcd, _ = etcd_of(deployment)
    before = deployment.frontend.discovered_workers()
    assert deployment.services.etcd is not None
    deployment.services.etcd.process.pause()
    with pytest.raises(TimeoutError):
        etcd.get("/health")

    assert asked(deployment) == [2, 2]

    deployment.services.etcd.process.resume()
    joiner = deployment.add(MockerSpec())
    assert deployment.frontend.discovered_workers() == {*before, joiner.id}


@pytest.mark.pre_merge
def test_etcd_that_is_restarted_within_a_lease_is_found_again(
    prepare: Callable[[Planes], Deployment],
) -> None:
    """It keeps its data. All reach it through a proxy that lets them through when it is ready: else
    it now and then happens that the frontend does not get its lease back, and goes. Their leases
    are long, because a machine under load takes long to start etcd."""
    deployment = prepare(PLANES)
    assert deployment.services.etcd is not None
    etcd, port = etcd_of(deployment)
    with Proxy(port) as network:
        reach = {"ETCD_ENDPOINTS": f"http://127.0.0.1:{network.port}", "ETCD_LEASE_TTL": "60"}
        frontend = FrontendSpec(router=RouterMode.ROUND_ROBIN, variables=reach)
        deployment.start([MockerSpec(variables=reach)] * 2, [frontend])
        before = deployment.frontend.discovered_workers()
        network.cut()
        deployment.services.etcd.process.kill()
        with pytest.raises(ConnectionRefusedError):
            etcd.get("/health")
        assert asked(deployment) == [2, 2]

        deployment.services.etcd.process.restart()
        network.resume()

        joiner = deployment.add(MockerSpec(variables=reach))
        assert deployment.frontend.discovered_workers() == {*before, joiner.id}
        assert asked(deployment, 6) == [2, 2, 2]


@pytest.mark.post_merge
def test_all_end_without_etcd_and_serve_when_they_are_started_again(deploy: Deploy) -> None:
    """Who cannot keep its lease ends, so that whoever watches over it starts it again."""
    deployment = deploy(MockerSpec(), frontend=ROUND_ROBIN, planes=PLANES)
    (worker,) = deployment.workers
    etcd = deployment.services.etcd
    assert etcd is not None
    processes = [deployment.frontend.process, worker.process]
    for process in processes:
        process.expect_end()
    etcd.process.kill()
    assert asked(deployment) == [4]

    for process in processes:
        process.wait(LEASE_SECONDS)
        assert process.search_log("Unable to maintain lease")

    etcd.process.restart()
    for process in processes:
        process.restart(wait=False)
    for process in processes:
        process.wait_ready()
    # The leases of before are etcd's data too, and end once more.
    deployment.await_workers()
    assert asked(deployment) == [4]


@pytest.mark.post_merge
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 then ends with exit code 0: docs/findings.md, F44",
)
def test_worker_that_ends_for_want_of_etcd_has_failed(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), frontend=ROUND_ROBIN, planes=PLANES)
    assert deployment.services.etcd is not None
    deployment.frontend.process.expect_end()
    deployment.services.etcd.process.kill()

    assert deployment.workers[0].process.wait(LEASE_SECONDS) != 0


@pytest.mark.post_merge
def test_worker_that_cannot_reach_etcd_finishes_and_is_forgotten(
    prepare: Callable[[Planes], Deployment], gate: Path
) -> None:
    deployment = prepare(PLANES)
    _, port = etcd_of(deployment)
    with Proxy(port) as network:
        reach = {"ETCD_ENDPOINTS": f"http://127.0.0.1:{network.port}"}
        deployment.start([CountingSpec(gate, variables=reach), CountingSpec(gate)], [ROUND_ROBIN])
        parted, other = deployment.workers
        number = parted.id
        assert keys_of(deployment, number) > 0
        client = deployment.client
        with (
            caught(client, PROMPT, tokens=TOKENS, after=8) as one,
            caught(client, PROMPT, tokens=TOKENS, after=8) as two,
        ):
            assert [parted.in_flight(), other.in_flight()] == [1, 1]
            network.hold()
            eventually(
                lambda: deployment.live_workers() == 1, what="it is forgotten", within=LEASE_SECONDS
            )
            assert parted.in_flight() == 1
            gate.touch()
            replies = [one.finish(), two.finish()]
        assert {reply.pieces for reply in replies} == {
            counted(deployment.model, len(PROMPT), TOKENS)
        }
        assert asked(deployment) == [0, 4]
        assert keys_of(deployment, number) == 0

        # It hears that its lease has ended, and ends.
        parted.process.expect_end()
        network.resume()
        parted.process.wait(LEASE_SECONDS)
        assert parted.process.search_log("Unable to maintain lease")


@pytest.mark.post_merge
def test_crashed_worker_leaves_nothing_in_etcd(deploy: Deploy) -> None:
    deployment = deploy(MockerSpec(), MockerSpec(), frontend=ROUND_ROBIN, planes=PLANES)
    crasher, stayer = (worker.id for worker in deployment.workers)
    assert keys_of(deployment, crasher) == keys_of(deployment, stayer) > 0
    deployment.workers[0].process.kill()
    assert keys_of(deployment, crasher) > 0

    deployment.await_workers()

    assert keys_of(deployment, crasher) == 0
    assert deployment.frontend.discovered_workers() == {stayer}
    assert asked(deployment) == [4]
