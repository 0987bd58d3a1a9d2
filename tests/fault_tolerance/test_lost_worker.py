"""Workers that die without a word, hang, or cannot be reached, and the requests that come after."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from dyno.dynamo import (
    Client,
    FrontendSpec,
    Overdue,
    RouterMode,
    Worker,
    completion,
    eventually,
)

from tests.utils.counting import CountingSpec, counted
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught, holder
from tests.utils.proxy import Proxy

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.router,
    pytest.mark.frontend,
    pytest.mark.fault_tolerance,
]

PROMPT = list(range(20, 30))
TOKENS = 40
CAUGHT = 8

# A registration lasts 10 s after its last sign of life.
LEASE_SECONDS = 30.0


def two_workers(
    deploy: Deploy,
    gate: Path,
    *,
    mode: RouterMode = RouterMode.ROUND_ROBIN,
    limit: int = 1,
    **variables: str,
) -> Deployment:
    frontend = FrontendSpec(router=mode, migration_limit=limit, variables=variables)
    return deploy(CountingSpec(gate), CountingSpec(gate), frontend=frontend)


def ask(deployment: Deployment) -> int:
    """Sends a request; returns the status."""
    asked = completion("tiny", PROMPT, max_tokens=2)
    return deployment.client.post("/v1/completions", asked).status


def served(deployment: Deployment) -> list[int]:
    return [worker.served() for worker in deployment.workers]


def is_silent(worker: Worker) -> bool:
    """Whether its status server takes a request and does not answer."""
    try:
        Client(worker.url, timeout=0.5).get("/health")
    except TimeoutError:
        return True
    return False


@contextmanager
def parted(deployment: Deployment, worker: Worker) -> Iterator[Proxy]:
    """A proxy between the frontend and a worker: requests go through it, replies go past it."""
    (entry,) = (path for path in (deployment.discovery / "v1/instances").glob(f"*{worker.id:x}"))
    told = json.loads(entry.read_text())
    address, _, path = told["transport"]["tcp"].partition("/")
    with Proxy(int(address.rpartition(":")[2])) as proxy:
        told["transport"]["tcp"] = f"127.0.0.1:{proxy.port}/{path}"
        entry.unlink()
        eventually(lambda: deployment.live_workers() == 1, what="the worker is forgotten")
        # Whole from its first moment on: the frontend reads a file when it appears.
        changed = deployment.discovery.with_name("changed")
        changed.write_text(json.dumps(told))
        os.link(changed, entry)
        deployment.await_workers()
        eventually(
            lambda: ask(deployment) == 200 and proxy.accepted, what="requests go through the proxy"
        )
        yield proxy


@pytest.mark.pre_merge
@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="Dynamo 1.4.2 moves no request whose connection is refused: docs/findings.md, F42",
)
@pytest.mark.parametrize("mode", [RouterMode.ROUND_ROBIN, RouterMode.KV], ids=["round-robin", "kv"])
def test_requests_after_a_crash_go_to_the_other_worker(
    deploy: Deploy, gate: Path, mode: RouterMode
) -> None:
    deployment = two_workers(deploy, gate, mode=mode, limit=3)
    deployment.workers[0].process.kill()

    # So many that the router, which may draw, is sure to choose each worker.
    assert [ask(deployment) for _ in range(32)] == [200] * 32


@pytest.mark.pre_merge
def test_request_moves_away_from_a_worker_that_hangs(deploy: Deploy, gate: Path) -> None:
    deployment = two_workers(deploy, gate, DYN_TCP_REQUEST_TIMEOUT="1")
    hung, other = deployment.workers
    before = other.served()
    hung.process.pause()
    assert hung.process.state() == "paused"
    assert is_silent(hung)

    # Of two in turn one is for it.
    assert [ask(deployment) for _ in range(4)] == [200] * 4
    assert other.served() == before + 4
    name = "dynamo_frontend_model_migration_total"
    assert deployment.metrics().total(name, migration_type="new_request") == 1

    hung.process.resume()
    before = hung.served()
    eventually(
        lambda: ask(deployment) == 200 and hung.served() >= before + 3,
        what="it gets requests again",
        within=30.0,
    )


@pytest.mark.pre_merge
def test_stream_of_a_worker_that_hangs_goes_on_with_it(deploy: Deploy, gate: Path) -> None:
    deployment = two_workers(deploy, gate)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as stream:
        worker = holder(deployment.workers)
        worker.process.pause()
        gate.touch()
        assert is_silent(worker)
        worker.process.resume()
        reply = stream.finish()

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)
    assert deployment.live_workers() == 2


@pytest.mark.pre_merge
def test_stream_of_a_worker_that_hangs_too_long_is_given_up(deploy: Deploy, gate: Path) -> None:
    """It ends in an error and does not move, whatever the migration limit; but what comes after it
    goes to the other worker."""
    deployment = two_workers(deploy, gate, DYN_HTTP_BACKEND_STREAM_TIMEOUT_SECS="1")
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as stream:
        hung = holder(deployment.workers)
        (other,) = (worker for worker in deployment.workers if worker is not hung)
        hung.process.pause()
        assert is_silent(hung)
        assert "error" in stream.error()
    assert len(stream.pieces) == CAUGHT

    before = other.served()
    assert [ask(deployment) for _ in range(4)] == [200] * 4
    assert other.served() == before + 4
    hung.process.resume()
    eventually(lambda: hung.in_flight() == 0, what="the worker drops what was given up")


@pytest.mark.pre_merge
def test_partition_is_felt_by_new_requests_alone(deploy: Deploy, gate: Path) -> None:
    """Nothing gets to the worker; what it says of earlier requests still gets out."""
    deployment = two_workers(deploy, gate, DYN_TCP_REQUEST_TIMEOUT="1")
    behind, other = deployment.workers
    with parted(deployment, behind) as network:
        with (
            caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as one,
            caught(deployment.client, PROMPT, tokens=TOKENS, after=CAUGHT) as two,
        ):
            assert [behind.in_flight(), other.in_flight()] == [1, 1]
            network.hold()
            gate.touch()
            replies = [one.finish(), two.finish()]
        before = served(deployment)

        assert [ask(deployment) for _ in range(4)] == [200] * 4
        assert served(deployment) == [before[0], before[1] + 4]
        assert {reply.pieces for reply in replies} == {
            counted(deployment.model, len(PROMPT), TOKENS)
        }

        network.resume()
        before = served(deployment)
        eventually(
            lambda: ask(deployment) == 200 and behind.served() >= before[0] + 3,
            what="the worker behind the partition gets requests again",
            within=30.0,
        )


@pytest.mark.pre_merge
def test_requests_move_when_connections_are_reset(deploy: Deploy, gate: Path) -> None:
    deployment = two_workers(deploy, gate)
    with parted(deployment, deployment.workers[0]) as network:
        network.cut()
        assert network.connections == 0
        before = served(deployment)

        assert [ask(deployment) for _ in range(4)] == [200] * 4
        assert served(deployment) == [before[0], before[1] + 4]


@pytest.mark.post_merge
@pytest.mark.xfail(
    strict=True,
    raises=Overdue,
    reason="a worker of Dynamo 1.4.2 whose file is gone neither registers again nor ends: "
    "docs/findings.md, F43",
)
def test_worker_that_hung_longer_than_its_lease_comes_back(deploy: Deploy, gate: Path) -> None:
    deployment = two_workers(deploy, gate)
    hung = deployment.workers[0]
    hung.process.pause()
    try:
        eventually(
            lambda: deployment.live_workers() == 1, what="it is forgotten", within=LEASE_SECONDS
        )
    except Overdue as error:
        pytest.fail(str(error))
    assert [ask(deployment) for _ in range(4)] == [200] * 4
    hung.process.resume()

    eventually(lambda: deployment.live_workers() == 2, what="it is known again")
