"""What a spec says becomes options of Dynamo's processes, and nothing is said unasked."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import cast

import dyno
import pytest
from dyno.dynamo import (
    BusyThresholds,
    Deployment,
    Discovery,
    Engine,
    Etcd,
    EventPlane,
    FrontendSpec,
    KvRouterSpec,
    MockerSpec,
    Nats,
    Planes,
    PlannerSpec,
    RequestPlane,
    Role,
    RouterMode,
    RouterSpec,
    Service,
    Services,
    SglangSpec,
    Tls,
    TrtllmSpec,
    VllmSpec,
    Worker,
    missing,
)
from dyno.dynamo.router import QueuePolicy
from dyno.dynamo.workers import Assigned

NO_PROCESS = cast("dyno.Process", None)
ASSIGNED = Assigned(Path("/model"), "tiny", Path("/script"), lambda: 4242)


def options(arguments: list[str]) -> dict[str, str | None]:
    """Options with their values; of a switch, `None`."""
    pairs = zip(arguments, [*arguments[1:], "--"], strict=True)
    return {
        name: None if value.startswith("--") else value
        for name, value in pairs
        if name.startswith("--")
    }


def test_frontend_says_no_more_than_it_is_told() -> None:
    assert options(FrontendSpec().arguments()) == {"--router-mode": "kv", "--migration-limit": "0"}


def test_frontend_says_all_that_it_is_told() -> None:
    spec = FrontendSpec(
        router=RouterMode.LEAST_LOADED,
        kv=KvRouterSpec(kv_events=False, ttl_secs=1.5),
        busy=BusyThresholds(decode_blocks=0.5, prefill_tokens=7, prefill_share=0.0),
        migration_limit=3,
        namespace="one",
        namespace_prefix="o",
        tls=Tls(Path("/c.pem"), Path("/k.pem")),
        anthropic=True,
        extra=("--metrics-prefix", "mine"),
    )
    assert options(spec.arguments()) == {
        "--router-mode": "least-loaded",
        "--migration-limit": "3",
        "--no-router-kv-events": None,
        "--router-ttl-secs": "1.5",
        "--active-decode-blocks-threshold": "0.5",
        "--active-prefill-tokens-threshold": "7",
        "--active-prefill-tokens-threshold-frac": "0.0",
        "--namespace": "one",
        "--namespace-prefix": "o",
        "--tls-cert-path": "/c.pem",
        "--tls-key-path": "/k.pem",
        "--enable-anthropic-api": None,
        "--metrics-prefix": "mine",
    }


@pytest.mark.parametrize(
    ("spec", "seen"),
    [
        (FrontendSpec(), {"ns", "ns-2", "x"}),
        (FrontendSpec(namespace="ns"), {"ns"}),
        (FrontendSpec(namespace_prefix="ns"), {"ns", "ns-2"}),
        (FrontendSpec(namespace="x", namespace_prefix="ns"), {"ns", "ns-2"}),
    ],
)
def test_namespaces_that_a_frontend_sees(spec: FrontendSpec, seen: set[str]) -> None:
    assert {each for each in ("ns", "ns-2", "x") if spec.sees(each)} == seen


EVERYTHING = KvRouterSpec(
    kv_overlap_score_credit=0.5,
    kv_overlap_score_credit_decay=1.0,
    prefill_load_scale=2.0,
    decode_active_request_weight=1.0,
    temperature=0.1,
    kv_events=True,
    ttl_secs=1.0,
    predicted_ttl_secs=2.0,
    event_threads=2,
    replica_sync=True,
    track_active_blocks=True,
    track_output_blocks=True,
    track_prefill_tokens=False,
    assume_kv_reuse=False,
    queue_threshold=0.0,
    queue_policy=QueuePolicy.SHORTEST,
    load_aware=False,
)


@pytest.mark.skipif(importlib.util.find_spec("dynamo") is None, reason="Dynamo is not here")
def test_options_are_those_of_dynamo(tmp_path: Path) -> None:
    """Asks the argument parsers of the real thing, which start nothing."""
    frontend = FrontendSpec(kv=EVERYTHING, busy=BusyThresholds(0.5, 7, 0.5), migration_limit=1)
    commands = [
        ("frontend", "frontend.main", frontend.arguments()),
        ("router", "router.args", RouterSpec(kv=EVERYTHING).arguments()),
    ]
    (tmp_path / "config.json").write_text("{}")
    for engine in Engine:
        for role in Role:
            spec = MockerSpec(role=role, engine=engine, data_parallel=2, prefix_caching=False)
            assigned = Assigned(tmp_path, "tiny", tmp_path / "script", lambda: 4242)
            commands.append(("mocker", "mocker.args", spec.arguments(assigned)))
    program = """
import importlib, json, sys
for name, module, arguments in json.loads(sys.argv[1]):
    sys.argv = [name, *arguments]
    importlib.import_module(f"dynamo.{module}").parse_args()
"""
    run = subprocess.run(
        [sys.executable, "-c", program, json.dumps(commands)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "DYN_DISCOVERY_BACKEND": "file", "DYN_FILE_KV": str(tmp_path)},
    )
    assert run.returncode == 0, run.stderr


def test_only_prefill_workers_lease_a_port() -> None:
    def bootstrap(role: Role, engine: Engine = Engine.VLLM) -> str | None:
        arguments = options(MockerSpec(role=role, engine=engine).arguments(ASSIGNED))
        return arguments.get("--bootstrap-ports")

    assert [bootstrap(role) for role in Role] == [None, "4242", None]
    # There the mocker would refuse every request.
    assert bootstrap(Role.PREFILL, Engine.TRTLLM) is None


def test_variables_are_those_of_the_spec_alone() -> None:
    spec = MockerSpec(variables={"DYN_SETTING": "1"})

    assert spec.environment() == {"DYN_SETTING": "1"}
    assert MockerSpec().environment() == {}
    assert hash(spec) == hash(MockerSpec())


class Restarted:
    """A process that says what it says once each time it is started."""

    def __init__(self) -> None:
        self.pid = 0

    def wait_for_log(self, pattern: str) -> str:
        return f"{pattern}127.0.0.1:{4000 + self.pid}"


def test_worker_that_is_started_again_has_another_address() -> None:
    process = Restarted()
    worker = Worker(MockerSpec(), cast("dyno.Process", process))
    assert worker.url == worker.url == "http://127.0.0.1:4000"

    process.pid = 1

    assert worker.url == "http://127.0.0.1:4001"


def test_vllm_tells_its_events_where_it_is_told() -> None:
    spoken = options(VllmSpec().arguments(ASSIGNED))
    silent = options(VllmSpec(kv_events=False).arguments(ASSIGNED))

    events = json.loads(spoken["--kv-events-config"] or "")
    assert events["endpoint"] == "tcp://*:4242"
    assert "--kv-events-config" not in silent
    assert spoken["--model"] == "/model"
    assert spoken["--served-model-name"] == "tiny"


def test_sglang_is_told_of_its_pages_and_its_role() -> None:
    plain = options(SglangSpec(block_size=32).arguments(ASSIGNED))
    assert (plain["--model-path"], plain["--served-model-name"]) == ("/model", "tiny")
    assert plain["--page-size"] == "32"
    assert json.loads(plain["--kv-events-config"] or "")["endpoint"] == "tcp://*:4242"
    assert not {"--disaggregation-mode", "--device", "--mem-fraction-static"} & set(plain)

    prefill = SglangSpec(role=Role.PREFILL, device="cpu", memory=0.5, kv_events=False)
    told = options(prefill.arguments(ASSIGNED))
    assert told["--disaggregation-mode"] == "prefill"
    assert told["--disaggregation-bootstrap-port"] == "4242"
    assert (told["--device"], told["--mem-fraction-static"]) == ("cpu", "0.5")
    assert "--kv-events-config" not in told


def test_trtllm_is_told_of_its_blocks_and_its_role() -> None:
    spec = TrtllmSpec(role=Role.DECODE, block_size=64, settings={"max_batch_size": 8})
    told = options(spec.arguments(ASSIGNED))
    assert told["--disaggregation-mode"] == "decode"
    assert told["--kv-block-size"] == "64"
    assert json.loads(told["--override-engine-args"] or "") == {"max_batch_size": 8}
    assert "--publish-kv-events" in told
    assert "--publish-kv-events" not in options(TrtllmSpec(kv_events=False).arguments(ASSIGNED))


def test_planner_is_told_what_to_look_at() -> None:
    spec = PlannerSpec(mode="disagg", interval=3, settings={"min_endpoint": 2})
    config = json.loads(options(spec.arguments("tiny"))["--config"] or "")
    assert config == {
        "environment": "virtual",
        "mode": "disagg",
        "backend": "mocker",
        "namespace": "dynamo",
        "model_name": "tiny",
        "load_adjustment_interval_seconds": 3,
        "prefill_engine_num_gpu": 1,
        "decode_engine_num_gpu": 1,
        "min_endpoint": 2,
    }


def test_planner_needs_etcd(tmp_path: Path) -> None:
    class Tiny:
        path = tmp_path
        name = "tiny"

    deployment = Deployment(cast("dyno.Bench", None), tmp_path, Tiny())
    with pytest.raises(ValueError, match="etcd"):
        deployment.add_planner(PlannerSpec())


def test_vllm_compiles_and_spreads_as_it_is_told() -> None:
    plain = VllmSpec()
    assert "--enforce-eager" in plain.arguments(ASSIGNED)
    assert plain.environment() == {
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "OMP_NUM_THREADS": "1",
        "TORCH_COMPILE_DISABLE": "1",
    }
    other = VllmSpec(eager=False, threads=4, nixl_port=4242)
    assert "--enforce-eager" not in other.arguments(ASSIGNED)
    assert other.environment()["OMP_NUM_THREADS"] == "4"
    assert other.environment()["VLLM_NIXL_SIDE_CHANNEL_PORT"] == "4242"
    assert "TORCH_COMPILE_DISABLE" not in other.environment()


FILE, ETCD = Discovery.FILE, Discovery.ETCD
TCP, BY_NATS = RequestPlane.TCP, RequestPlane.NATS
ZMQ, NATS = EventPlane.ZMQ, EventPlane.NATS


@pytest.mark.parametrize(
    ("planes", "needs"),
    [
        (Planes(), set()),
        (Planes(ETCD), {Service.ETCD}),
        (Planes(FILE, BY_NATS, ZMQ), {Service.NATS}),
        (Planes(FILE, TCP, NATS), {Service.NATS}),
        (Planes(ETCD, BY_NATS, NATS), {Service.ETCD, Service.NATS}),
    ],
)
def test_planes_say_what_they_need(planes: Planes, needs: set[Service]) -> None:
    assert planes.needs() == needs


def test_planes_name_a_service_only_where_there_is_one() -> None:
    services = Services(
        Etcd(NO_PROCESS, "http://127.0.0.1:1"), Nats(NO_PROCESS, "nats://127.0.0.1:2", "")
    )
    alone = Planes().environment(Path("/d"), Services())
    served = Planes(ETCD, BY_NATS, NATS).environment(Path("/d"), services)

    assert alone["DYN_FILE_KV"] == "/d"
    assert not {"ETCD_ENDPOINTS", "NATS_SERVER"} & alone.keys()
    assert served["ETCD_ENDPOINTS"] == "http://127.0.0.1:1"
    assert served["NATS_SERVER"] == "nats://127.0.0.1:2"
    assert "DYN_FILE_KV" not in served


def test_discovery_in_memory_joins_no_deployment(bench: dyno.Bench, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="in memory joins no two processes"):
        Deployment(bench, tmp_path, None, planes=Planes(Discovery.MEMORY))  # type: ignore[arg-type]


def test_missing_service_says_what_helps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)

    assert missing(Service.ETCD) == "etcd is not installed: make services"
    assert missing(Service.NATS) == "nats-server is not installed: make services"


class Noted:
    """A bench, and its only process, which starts nothing."""

    def __init__(self) -> None:
        self.env: dict[str, str] = {}

    def port(self) -> int:
        return 4242

    def process(self, command: list[str], *, env: dict[str, str], **options: object) -> Noted:
        self.env = env
        return self

    def wait_ready(self) -> None:
        pass


def test_frontend_has_the_variables_of_its_spec_and_no_other(tmp_path: Path) -> None:
    bench = Noted()
    deployment = Deployment(cast("dyno.Bench", bench), tmp_path, ASSIGNED)  # type: ignore[arg-type]
    deployment.add_frontend(FrontendSpec())
    usual = dict(bench.env)
    deployment.add_frontend(
        FrontendSpec(variables={"DYN_HTTP_BODY_LIMIT_MB": "1", "HOME": "/mine"})
    )

    assert bench.env == {**usual, "DYN_HTTP_BODY_LIMIT_MB": "1", "HOME": "/mine"}
