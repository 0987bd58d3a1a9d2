"""etcd and NATS start, are ready when they say so, and come back with their data."""

from __future__ import annotations

from pathlib import Path

import dyno
import pytest
from dyno.dynamo import Client, Service, Services, etcd, missing, nats


def needs(service: Service) -> pytest.MarkDecorator:
    reason = missing(service)
    return pytest.mark.skipif(reason is not None, reason=reason or "")


@needs(Service.ETCD)
def test_etcd_keeps_its_data_over_a_restart(bench: dyno.Bench, tmp_path: Path) -> None:
    service = etcd(bench, tmp_path)
    client = Client(service.url)
    # Keys and values are base64: "a", "1".
    assert client.post("/v3/kv/put", {"key": "YQ==", "value": "MQ=="}).status == 200

    service.process.restart()

    found = client.post("/v3/kv/range", {"key": "YQ=="}).json()
    assert [each["value"] for each in found["kvs"]] == ["MQ=="]


@needs(Service.NATS)
def test_nats_has_jetstream_in_its_folder(bench: dyno.Bench, tmp_path: Path) -> None:
    service = nats(bench, tmp_path)

    told = Client(service.monitor).get("/jsz").json()
    assert not told.get("disabled", False)
    assert Path(told["config"]["store_dir"]).is_relative_to(tmp_path)


def test_services_that_nobody_needs_are_not_started(bench: dyno.Bench, tmp_path: Path) -> None:
    assert Services.start(bench, tmp_path, frozenset()) == Services()
    assert bench.processes == ()
