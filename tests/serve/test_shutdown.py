"""Frontends and workers that are told to go while they have requests in hand."""

from __future__ import annotations

import signal
from pathlib import Path

import dyno
import pytest
from dyno.dynamo import FrontendSpec, RouterMode, completion, eventually

from tests.utils.counting import CountingSpec, counted
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.midstream import caught, holder

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.router,
    pytest.mark.fault_tolerance,
]

ROUND_ROBIN = FrontendSpec(router=RouterMode.ROUND_ROBIN)
PROMPT = list(range(20, 30))
TOKENS = 40
# Seconds for an end that has nothing to wait for any more.
END_SECONDS = 30.0


# After it is told to go, a worker of Dynamo's SDK serves for so long, and nobody new.
GRACE_SECONDS = 6


def served_by(deploy: Deploy, gate: Path, **variables: str) -> Deployment:
    frontend = FrontendSpec(router=RouterMode.ROUND_ROBIN, variables=variables)
    return deploy(CountingSpec(gate), frontend=frontend)


def leaving(gate: Path, grace: int = GRACE_SECONDS) -> CountingSpec:
    return CountingSpec(gate, variables={"DYN_GRACEFUL_SHUTDOWN_GRACE_PERIOD_SECS": str(grace)})


def ask(deployment: Deployment) -> int:
    asked = completion("tiny", PROMPT, max_tokens=1)
    return deployment.client.post("/v1/completions", asked).status


def test_worker_that_is_told_to_go_finishes_its_stream_first(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(leaving(gate), leaving(gate), frontend=ROUND_ROBIN)
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        leaver = holder(deployment.workers)
        (stayer,) = (worker for worker in deployment.workers if worker is not leaver)
        before = stayer.served()
        leaver.process.signal(signal.SIGTERM)
        leaver.process.wait_for_log("Endpoint unregistered from discovery")
        gate.touch()
        reply = stream.finish()
    eventually(lambda: deployment.live_workers() == 1, what="it is taken out of discovery")

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)
    assert [ask(deployment) for _ in range(4)] == [200] * 4
    assert stayer.served() == before + 4
    assert leaver.process.wait(END_SECONDS) == 0


def test_requests_are_refused_when_the_last_worker_leaves(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(leaving(gate), frontend=ROUND_ROBIN)
    (leaver,) = deployment.workers
    before = leaver.served()
    leaver.process.signal(signal.SIGTERM)
    leaver.process.wait_for_log("Endpoint unregistered from discovery")
    eventually(lambda: deployment.live_workers() == 0, what="it is taken out of discovery")

    # The model is not ready, or not there any more.
    assert ask(deployment) in (404, 503)
    assert leaver.served() == before
    assert leaver.process.wait(END_SECONDS) == 0


@pytest.mark.xfail(
    strict=True,
    raises=AssertionError,
    reason="a worker of Dynamo 1.4.2's backend SDK cuts them and is aborted: docs/findings.md, F46",
)
def test_worker_finishes_streams_that_outlast_its_grace_period(deploy: Deploy, gate: Path) -> None:
    deployment = deploy(leaving(gate, grace=0), frontend=ROUND_ROBIN)
    (leaver,) = deployment.workers
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        leaver.process.signal(signal.SIGTERM)
        leaver.process.wait_for_log("Runtime shutdown initiated")
        gate.touch()
        assert stream.finish().pieces == counted(deployment.model, len(PROMPT), TOKENS)
    assert leaver.process.wait(END_SECONDS) == 0


def test_frontend_that_is_told_to_go_finishes_its_stream_first(deploy: Deploy, gate: Path) -> None:
    deployment = served_by(deploy, gate, DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS="60")
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        frontend = deployment.frontend.process
        mark = frontend.mark_log()
        frontend.signal(signal.SIGTERM)
        frontend.wait_for_log("shutdown requested", since=mark)
        gate.touch()
        reply = stream.finish()

    assert reply.pieces == counted(deployment.model, len(PROMPT), TOKENS)
    assert frontend.wait(END_SECONDS) == 0


def test_frontend_that_is_told_to_go_takes_no_more_requests(deploy: Deploy, gate: Path) -> None:
    deployment = served_by(deploy, gate, DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS="60")
    frontend, (worker,) = deployment.frontend.process, deployment.workers

    def is_refused() -> bool:
        try:
            return ask(deployment) == 503
        except OSError:
            return True

    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8) as stream:
        frontend.signal(signal.SIGTERM)
        eventually(is_refused, what="requests are refused")
        before = worker.served()
        assert is_refused()
        assert worker.served() == before
        gate.touch()
        stream.finish()
    assert frontend.wait(END_SECONDS) == 0


@pytest.mark.xfail(
    strict=True,
    raises=dyno.StillRunning,
    reason="the frontend of Dynamo 1.4.2 goes when the client does: docs/findings.md, F47",
)
def test_frontend_does_not_wait_for_ever(deploy: Deploy, gate: Path) -> None:
    deployment = served_by(deploy, gate, DYN_HTTP_GRACEFUL_SHUTDOWN_TIMEOUT_SECS="1")
    with caught(deployment.client, PROMPT, tokens=TOKENS, after=8):
        frontend = deployment.frontend.process
        frontend.signal(signal.SIGTERM)
        frontend.wait_for_log("Timed out waiting for inflight inference requests")

        assert frontend.wait(8.0) == 0
