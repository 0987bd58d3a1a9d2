"""A Dynamo deployment on one machine: frontends, workers, routers, and the services they need.

By default discovery is a directory, requests go over TCP, events over ZeroMQ: no service, nothing
that two deployments could share. All files lie under the folder that the deployment is given, all
sockets but those of events are on loopback (Dynamo opens these on every interface), and every port
that must be known beforehand is leased from the bench.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import dyno
from dyno.dynamo.client import Client, Refused
from dyno.dynamo.frontend import Frontend, FrontendSpec, RouterMode
from dyno.dynamo.planes import Discovery, Planes
from dyno.dynamo.planner import Planner, PlannerSpec
from dyno.dynamo.prometheus import Exposition
from dyno.dynamo.replies import route_of
from dyno.dynamo.router import Router, RouterSpec
from dyno.dynamo.scripts import Script, write_script
from dyno.dynamo.services import Services
from dyno.dynamo.waiting import Overdue, eventually
from dyno.dynamo.workers import (
    STATUS_SERVER,
    Assigned,
    Model,
    Role,
    Worker,
    WorkerSpec,
)

__all__ = ["Deployment"]

# A worker that is told to go waits for its requests; the longest of the suite takes 6 s.
STOP_SECONDS = 20.0

# A router, or a frontend beside others: about 2 s alone. See `MockerSpec.ready_seconds`.
READY_SECONDS = 90.0

# It imports what takes 10 s alone, and took 107 s beside a load of 20 on two cores.
PLANNER_READY_SECONDS = 300.0


class Deployment:
    """Frontends, workers and routers that find each other, and nobody else.

    Attributes:
        model: what it serves, and under which name.
        planes: how its processes find each other and talk.
        services: etcd and NATS, as far as the planes need them.
        frontends: all that were started, in that order, gone or not; so are `workers`,
            `routers` and `planners`.
    """

    def __init__(
        self,
        bench: dyno.Bench,
        folder: Path,
        model: Model,
        *,
        planes: Planes | None = None,
        script: Script | None = None,
        python: str = sys.executable,
    ) -> None:
        """Starts the services that the planes need, and nothing else yet.

        Args:
            bench: where its processes run: they end with the bench.
            folder: an empty folder of its own.
            script: what mockers can be asked to say.
            python: the interpreter that has Dynamo.

        Raises:
            ValueError: the planes join no two processes.
            FileNotFoundError: a service is not installed; see `missing`.
        """
        self.model = model
        self.planes = planes or Planes()
        if self.planes.discovery is Discovery.MEMORY:
            raise ValueError("discovery in memory joins no two processes")
        self.frontends: list[Frontend] = []
        self.workers: list[Worker] = []
        self.routers: list[Router] = []
        self.planners: list[Planner] = []
        self._bench = bench
        self._folder = folder
        self._python = python
        self._script = folder / "replies.jsonl"
        write_script(self._script, script or {})
        self.discovery.mkdir()
        (folder / "home").mkdir()
        (folder / "tmp").mkdir()
        self.services = Services.start(bench, folder, self.planes.needs())

    def start(
        self, workers: Sequence[WorkerSpec], frontends: Sequence[FrontendSpec] = (FrontendSpec(),)
    ) -> None:
        """Starts all side by side; returns when each frontend has answered a request for each model
        that it sees, and knows all workers.

        (A frontend names its models, and counts its workers, before a request gets through.)
        """
        started = [self._launch_frontend(spec) for spec in frontends]
        launched = [self._launch(spec) for spec in workers]
        for worker in launched:
            worker.process.wait_ready()
        for frontend in started:
            frontend.process.wait_ready()
        self.await_workers()
        self._await_prefill(launched)

    def add(self, spec: WorkerSpec) -> Worker:
        """Starts one more worker; returns when the frontends know it and answer for its model."""
        worker = self._launch(spec)
        worker.process.wait_ready()
        # Their number alone would be right, too, while one that crashed is not forgotten yet.
        eventually(
            lambda: all(
                worker.id in each.discovered_workers()
                for each in self._running()
                if each.spec.sees(spec.namespace)
            ),
            what=f"every frontend has discovered {worker.process.name}",
            within=READY_SECONDS,
        )
        self.await_workers()
        eventually(
            lambda: all(self._is_served(each) for each in self._running()),
            what=f"requests are answered beside {worker.process.name}",
            within=READY_SECONDS,
        )
        self._await_prefill([worker])
        return worker

    def add_frontend(self, spec: FrontendSpec) -> Frontend:
        """Starts one more frontend; returns when a request has been answered through it."""
        frontend = self._launch_frontend(spec)
        frontend.process.wait_ready()
        return frontend

    def add_router(self, spec: RouterSpec) -> Router:
        """Starts a router that runs alone; returns when the first frontend has discovered it."""
        process = self._bench.process(
            [self._python, "-m", "dynamo.router", *spec.arguments()],
            name=f"router-{len(self.routers) + 1}",
            env=self.environment,
            cwd=self._folder,
            ready=lambda: self._has(spec.namespace, "router", "generate"),
            ready_timeout=READY_SECONDS,
        )
        router = Router(spec, process)
        self.routers.append(router)
        return router

    def add_planner(self, spec: PlannerSpec) -> Planner:
        """Starts a planner; returns when the first frontend has discovered it.

        Raises:
            ValueError: discovery is not etcd.
        """
        if self.services.etcd is None:
            raise ValueError("a planner writes what it decides into etcd: Planes(Discovery.ETCD)")
        process = self._bench.process(
            [self._python, "-m", "dynamo.planner", *spec.arguments(self.model.name)],
            name=f"planner-{len(self.planners) + 1}",
            env=self.environment,
            cwd=self._folder,
            ready=lambda: self._has(spec.namespace, "Planner", "generate"),
            ready_timeout=PLANNER_READY_SECONDS,
        )
        planner = Planner(spec, process, self.services.etcd.url)
        self.planners.append(planner)
        return planner

    def stop(self, worker: Worker) -> int:
        """Tells a worker to go; returns its exit code when no frontend knows it any more."""
        code = worker.process.stop()
        self.await_workers()
        return code

    @property
    def discovery(self) -> Path:
        """The directory where its processes find each other (`Discovery.FILE` alone)."""
        return self._folder / "discovery"

    @property
    def frontend(self) -> Frontend:
        """The first one."""
        return self.frontends[0]

    @property
    def url(self) -> str:
        """The first frontend's address."""
        return self.frontend.url

    @property
    def client(self) -> Client:
        """A client of the first frontend."""
        return self.frontend.client

    def metrics(self) -> Exposition:
        """What the first frontend, and the router in it, tell Prometheus now."""
        return self.frontend.metrics()

    def live_workers(self, model: str | None = None) -> int:
        """How many workers, of whatever role, the first frontend knows for a model."""
        return self.frontend.live_workers(model or self.model.name)

    def await_workers(self) -> None:
        """Waits until every running frontend knows as many workers as run, of each model, in the
        namespaces that it sees. One that crashed is known until its lease ends, 10 s later."""

        try:
            eventually(
                lambda: not self._strangers(),
                what="every frontend knows the workers that run",
                within=READY_SECONDS,
            )
        except Overdue as error:
            raise Overdue(f"{error}; {'; '.join(self._strangers())}") from None

    def close(self) -> None:
        """Stops all of it before the bench does."""
        for process in (
            *(worker.process for worker in self.workers),
            *(planner.process for planner in self.planners),
            *(router.process for router in self.routers),
            *(frontend.process for frontend in self.frontends),
        ):
            process.stop()
        self.services.stop()

    def _await_prefill(self, joined: Sequence[Worker]) -> None:
        """Waits, where a prefill worker has joined, until a request is prefilled by one worker and
        decoded by another.

        When a prefill worker joins, the frontend first knows it, then links it to the decode
        workers. Between the two a request may be served by a decode worker alone, or fail.
        """
        prefill = [worker for worker in joined if worker.spec.role is Role.PREFILL]
        if not prefill:
            return
        model = self._name(prefill[0].spec)
        before = sum(worker.served() for worker in prefill)

        def disaggregated(frontend: Frontend) -> bool:
            try:
                answer = frontend.answer(model)
            except Refused:
                return False
            if frontend.spec.router is RouterMode.KV:
                return route_of(answer).disaggregated
            # The other modes tell no route.
            return sum(worker.served() for worker in prefill) > before

        eventually(
            lambda: all(disaggregated(each) for each in self._running()),
            what="a request is prefilled apart",
            within=READY_SECONDS,
        )

    def _strangers(self) -> list[str]:
        """Where a frontend knows more or fewer workers than run."""
        amiss = []
        for frontend in self._running():
            expected = self._expected(frontend)
            if frontend.spec.anthropic:
                # Dynamo 1.4.2 does not tell the workers of a model beside that API.
                known = {"any model": len(frontend.discovered_workers())}
                expected = Counter({"any model": sum(expected.values())})
            else:
                known = {model: frontend.live_workers(model) for model in expected}
            amiss += [
                f"{frontend.process.name} knows {known[model]} workers of {model}, {count} run"
                for model, count in expected.items()
                if known[model] != count
            ]
        return amiss

    def _running(self) -> list[Frontend]:
        return [each for each in self.frontends if each.process.is_running()]

    def _expected(self, frontend: Frontend) -> Counter[str]:
        """How many workers of each model a frontend should know; none of a model whose last worker
        has gone."""
        names: Counter[str] = Counter()
        for worker in self.workers:
            if frontend.spec.sees(worker.spec.namespace):
                names[self._name(worker.spec)] += worker.process.is_running()
        return names

    def _answer_all(self, frontend: Frontend) -> None:
        """Has a frontend answer a request for each model that it sees; raises what came instead."""
        for model, count in self._expected(frontend).items():
            if count == 0:
                continue
            worker = None
            if frontend.spec.router is RouterMode.DIRECT:
                worker = next(
                    each.id
                    for each in self.workers
                    if self._name(each.spec) == model and each.process.is_running()
                )
            frontend.answer(model, worker)
        frontend.instances()

    def _is_served(self, frontend: Frontend) -> bool:
        try:
            self._answer_all(frontend)
        except Refused:
            return False
        return True

    def _name(self, spec: WorkerSpec) -> str:
        """What the model of a worker is called."""
        return spec.model_name or self.model.name

    def _has(self, *endpoint: str) -> bool:
        """Whether the first frontend has discovered that namespace, component and endpoint."""
        names = ("namespace", "component", "endpoint")
        return any(
            tuple(each[name] for name in names) == endpoint for each in self.frontend.instances()
        )

    def _launch_frontend(self, spec: FrontendSpec) -> Frontend:
        port = self._bench.port()
        command = [self._python, "-m", "dynamo.frontend", "--http-host", "127.0.0.1"]
        command += ["--http-port", str(port), *spec.arguments()]
        number = len(self.frontends) + 1
        process = self._bench.process(
            command,
            name="frontend" if number == 1 else f"frontend-{number}",
            env={**self.environment, **spec.variables},
            cwd=self._folder,
            ready=lambda: self._answer_all(self.frontends[number - 1]),
            ready_timeout=READY_SECONDS,
            wait=False,
        )
        scheme = "http" if spec.tls is None else "https"
        frontend = Frontend(spec, process, f"{scheme}://127.0.0.1:{port}")
        self.frontends.append(frontend)
        return frontend

    def _launch(self, spec: WorkerSpec) -> Worker:
        assigned = Assigned(self.model.path, self._name(spec), self._script, self._bench.port)
        command = [spec.python or self._python, "-m", spec.module, *spec.arguments(assigned)]
        number = len(self.workers)
        own = {"DYN_NAMESPACE": spec.namespace, "DYN_SYSTEM_PORT": "0", **spec.environment()}
        process = self._bench.process(
            command,
            name=f"{spec.role.value}-{number + 1}",
            env={**self.environment, **own},
            cwd=self._folder,
            ready=[dyno.log(STATUS_SERVER), lambda: self.workers[number].takes_requests()],
            ready_timeout=spec.ready_seconds,
            stop_timeout=STOP_SECONDS,
            wait=False,
        )
        worker = Worker(spec, process)
        self.workers.append(worker)
        return worker

    @property
    def environment(self) -> dict[str, str]:
        """What keeps a process of the deployment to its folder and to loopback, and lets it find
        the others; for a process of a test's own, too."""
        return {
            **self.planes.environment(self.discovery, self.services),
            # A worker serves the model's files to the frontend from here.
            "DYN_SYSTEM_HOST": "127.0.0.1",
            "DYN_SDK_DISABLE_ANSI_LOGGING": "1",
            # The frontend caches those files under its home.
            "HOME": str(self._folder / "home"),
            # A mocker leaves its options there.
            "TMPDIR": str(self._folder / "tmp"),
            "HF_HUB_OFFLINE": "1",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        }
