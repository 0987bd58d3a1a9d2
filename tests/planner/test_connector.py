"""Connectors: how a decision leaves the planner, and what happens when it cannot.

The far side is played by the test: the virtual connector's coordinator and the global planner's
client keep what they are told, or fail. Neither a cluster nor a runtime is there.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import pytest

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]


class Unreachable(Exception):
    """What the store behind a connector says when it is not there."""


@dataclass
class Coordinator:
    """The part of `VirtualConnectorCoordinator` that the connector uses; -1 is not decided yet."""

    prefill: int = -1
    decode: int = -1
    ready: bool = True
    broken: bool = False
    waits: int = 0
    told: list[tuple[int | None, int | None]] = field(default_factory=list)

    async def update_scaling_decision(self, prefill: int | None, decode: int | None) -> None:
        if self.broken:
            raise Unreachable
        self.told.append((prefill, decode))

    async def wait_for_scaling_completion(self) -> None:
        self.waits += 1

    async def is_scaling_ready(self) -> bool:
        return self.ready

    def read_state(self) -> SimpleNamespace:
        return SimpleNamespace(
            num_prefill_workers=self.prefill, num_decode_workers=self.decode, decision_id=0
        )


@dataclass
class Discovery:
    """A runtime of which every endpoint has so many instances, and what it was asked for."""

    instances: dict[str, int]
    asked: list[str] = field(default_factory=list)

    def endpoint(self, name: str) -> Any:
        self.asked.append(name)
        component = name.split(".")[1]

        async def client() -> SimpleNamespace:
            return SimpleNamespace(instance_ids=lambda: list(range(self.instances[component])))

        return SimpleNamespace(client=client)


class Workers:
    """Tells the connector where the workers of each kind listen."""

    def get_worker_info(self, kind: Any, backend: str = "vllm") -> Any:
        from dynamo.planner.monitoring.worker_info import WorkerInfo

        return WorkerInfo(component_name=kind.value, endpoint="generate")


def virtual(
    monkeypatch: pytest.MonkeyPatch,
    coordinator: Coordinator,
    *,
    prefill: int = 0,
    decode: int = 0,
    **settings: Any,
) -> Any:
    from dynamo.planner.connectors import virtual as module

    monkeypatch.setattr(module, "VirtualConnectorCoordinator", lambda *_: coordinator)
    arguments = {
        "runtime": Discovery({"prefill": prefill, "decode": decode}),
        "dynamo_namespace": "space",
        "worker_info_provider": Workers(),
        "model_name": "Tiny",
    }
    return module.VirtualConnector(**{**arguments, **settings})


def targets(prefill: int | None = None, decode: int | None = None) -> list[Any]:
    from dynamo.planner.config.defaults import SubComponentType, TargetReplica

    wanted = {SubComponentType.PREFILL: prefill, SubComponentType.DECODE: decode}
    return [
        TargetReplica(sub_component_type=kind, desired_replicas=count)
        for kind, count in wanted.items()
        if count is not None
    ]


@pytest.mark.parametrize("wanted", [(1, 2), (3, None), (None, 4), (0, 0)])
def test_decision_is_told_as_it_is(
    monkeypatch: pytest.MonkeyPatch, wanted: tuple[int | None, int | None]
) -> None:
    coordinator = Coordinator()

    asyncio.run(virtual(monkeypatch, coordinator).set_component_replicas(targets(*wanted)))

    assert coordinator.told == [wanted]
    assert coordinator.waits == 1


def test_completion_is_waited_for_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = Coordinator()
    connector = virtual(monkeypatch, coordinator)

    asyncio.run(connector.set_component_replicas(targets(1, 1), blocking=False))

    assert coordinator.waits == 0


def test_empty_decision_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamo.planner.errors import EmptyTargetReplicasError

    coordinator = Coordinator()

    with pytest.raises(EmptyTargetReplicasError):
        asyncio.run(virtual(monkeypatch, coordinator).set_component_replicas([]))

    assert coordinator.told == []


def test_decision_that_cannot_be_told_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    coordinator = Coordinator(broken=True)

    with pytest.raises(Unreachable):
        asyncio.run(virtual(monkeypatch, coordinator).set_component_replicas(targets(2, 2)))

    assert coordinator.waits == 0


@pytest.mark.parametrize("kind", ["prefill", "decode"])
@pytest.mark.parametrize(
    ("decided", "running", "added", "removed"),
    [
        pytest.param(3, 1, 4, 2, id="counts-from-the-last-decision"),
        pytest.param(-1, 2, 3, 1, id="counts-the-running-before-any-decision"),
        pytest.param(0, 5, 1, 0, id="never-below-none"),
    ],
)
def test_one_more_and_one_fewer(
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    decided: int,
    running: int,
    added: int,
    removed: int,
) -> None:
    from dynamo.planner.config.defaults import SubComponentType

    coordinator = Coordinator(prefill=decided, decode=decided)
    connector = virtual(monkeypatch, coordinator, **{kind: running})

    async def change() -> None:
        await connector.add_component(SubComponentType(kind))
        await connector.remove_component(SubComponentType(kind))

    asyncio.run(change())

    place = ["prefill", "decode"].index(kind)
    assert [told[place] for told in coordinator.told] == [added, removed]
    assert [told[1 - place] for told in coordinator.told] == [None, None]


@pytest.mark.parametrize(
    ("decided", "running", "ready", "stable"),
    [
        ((2, 3), (2, 3), True, True),
        ((2, 3), (2, 3), False, False),
        ((2, 3), (2, 2), True, False),
        ((2, 3), (1, 3), True, False),
        ((-1, -1), (4, 4), True, True),
    ],
)
def test_workers_are_counted_where_they_run(
    monkeypatch: pytest.MonkeyPatch,
    decided: tuple[int, int],
    running: tuple[int, int],
    ready: bool,
    stable: bool,
) -> None:
    connector = virtual(
        monkeypatch,
        Coordinator(*decided, ready=ready),
        prefill=running[0],
        decode=running[1],
    )

    counted = asyncio.run(connector.get_actual_worker_counts("prefill", "decode"))

    assert counted == (*running, stable)


def test_side_that_is_not_asked_for_is_not_looked_up(monkeypatch: pytest.MonkeyPatch) -> None:
    connector = virtual(monkeypatch, Coordinator(prefill=9, decode=3), prefill=1, decode=3)

    counted = asyncio.run(connector.get_actual_worker_counts(decode_component_name="decode"))

    assert counted == (0, 3, True)
    assert connector.runtime.asked == ["space.decode.generate"]


def test_worker_of_unknown_place_counts_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from dynamo.planner.monitoring.worker_info import WorkerInfo

    nowhere = SimpleNamespace(get_worker_info=lambda *_: WorkerInfo())
    connector = virtual(monkeypatch, Coordinator(), decode=3, worker_info_provider=nowhere)

    counted = asyncio.run(connector.get_actual_worker_counts(decode_component_name="decode"))

    assert counted[1] == 0


def test_model_must_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="Model name is required"):
        virtual(monkeypatch, Coordinator(), model_name=None)

    assert virtual(monkeypatch, Coordinator()).get_model_name() == "tiny"


@dataclass
class GlobalPlanner:
    """The far side of the global planner's connector: one answer to every request."""

    status: str
    requests: list[Any] = field(default_factory=list)

    async def send_scale_request(self, request: Any) -> SimpleNamespace:
        from dynamo.planner.connectors.protocol import ScaleStatus

        self.requests.append(request)
        return SimpleNamespace(status=ScaleStatus(self.status), message="said the test")


@pytest.fixture
def graph(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment that a planner has in Kubernetes."""
    monkeypatch.setenv("DYN_PARENT_DGD_K8S_NAME", "graph")
    monkeypatch.setenv("POD_NAMESPACE", "pods")


def delegating(remote: GlobalPlanner | None) -> Any:
    pytest.importorskip("kubernetes", reason="the global planner's connector needs kubernetes")
    from dynamo.planner.connectors.global_planner import GlobalPlannerConnector

    runtime: Any = None
    connector: Any = GlobalPlannerConnector(runtime, "space", "global")
    connector.remote_client = remote
    return connector


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("status", ["success", "scaling", "rejected"])
def test_refusal_for_the_budget_is_no_failure(status: str) -> None:
    remote = GlobalPlanner(status)

    asyncio.run(delegating(remote).set_component_replicas(targets(1, 2), blocking=False))

    (request,) = remote.requests
    assert (request.caller_namespace, request.graph_deployment_name, request.k8s_namespace) == (
        "space",
        "graph",
        "pods",
    )
    assert [target.desired_replicas for target in request.target_replicas] == [1, 2]
    assert not request.blocking


@pytest.mark.usefixtures("graph")
def test_failure_of_the_global_planner_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="said the test"):
        asyncio.run(delegating(GlobalPlanner("error")).set_component_replicas(targets(1, 2)))


@pytest.mark.usefixtures("graph")
def test_decision_before_the_connection_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="not initialized"):
        asyncio.run(delegating(None).set_component_replicas(targets(1, 2)))


@pytest.mark.usefixtures("graph")
@pytest.mark.parametrize("missing", ["DYN_PARENT_DGD_K8S_NAME", "POD_NAMESPACE"])
def test_unknown_place_in_the_cluster_is_an_error(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.delenv(missing)
    remote = GlobalPlanner("success")

    with pytest.raises(ValueError, match=missing):
        asyncio.run(delegating(remote).set_component_replicas(targets(1, 2)))

    assert remote.requests == []
