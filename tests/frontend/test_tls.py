"""TLS at the frontend: who is let in, and what is said of a key that does not fit."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from dyno import ProcessFailed
from dyno.dynamo import FrontendSpec, Tls, completion

from tests.frontend.wire import ConnectionEnded, Wire, request
from tests.utils.certificates import self_signed
from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

LIVE = request("/live", method="GET")


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Tls:
    return self_signed(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def served(deploy_module: Deploy, tls: Tls) -> Deployment:
    return deploy_module(frontend=FrontendSpec(tls=tls))


def assert_serves(served: Deployment) -> None:
    reply = served.client.post("/v1/completions", completion("tiny", "go", max_tokens=1))
    assert reply.status == 200, reply.text


def offering(tls: Tls, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A client that speaks one version of TLS, however old."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.load_verify_locations(tls.certificate)
    # OpenSSL offers the old versions at its lowest level of security alone.
    context.set_ciphers("ALL:@SECLEVEL=0")
    context.minimum_version = context.maximum_version = version
    return context


def test_plain_http_gets_no_answer(served: Deployment) -> None:
    with Wire(served.url) as wire, pytest.raises(ConnectionEnded):
        wire.ask(LIVE)

    assert_serves(served)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_versions_in_use_are_spoken(served: Deployment, tls: Tls, version: ssl.TLSVersion) -> None:
    with Wire(served.url, tls=offering(tls, version)) as wire:
        assert wire.ask(LIVE).status == 200


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_are_refused(served: Deployment, tls: Tls, version: ssl.TLSVersion) -> None:
    # An alert is the server's: a client that would not offer the version fails in another way.
    with pytest.raises(ssl.SSLError, match="ALERT_(PROTOCOL_VERSION|HANDSHAKE_FAILURE)"):
        Wire(served.url, tls=offering(tls, version))

    assert_serves(served)


def test_handshakes_that_stop_halfway_block_nobody(served: Deployment) -> None:
    hello = bytes.fromhex("16030100c8010000c40303")
    wires = [Wire(served.url) for _ in range(50)]
    try:
        for wire in wires[::2]:
            wire.send(hello)
        for _ in range(5):
            assert_serves(served)
    finally:
        for wire in wires:
            wire.hang_up()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ("key of another", "keys may not be consistent"),
        ("no key", "private key format not supported"),
        ("no certificate", "no certificates"),
        ("absent", "TLS certificate not found: .*absent.pem"),
        ("swapped", "Failed to create TLS config"),
    ],
)
def test_pair_that_does_not_fit_ends_the_frontend(
    served: Deployment, tls: Tls, tmp_path: Path, wrong: str, message: str
) -> None:
    other = self_signed(tmp_path)
    empty = tmp_path / "empty.pem"
    empty.touch()
    pairs = {
        "key of another": Tls(tls.certificate, other.key),
        "no key": Tls(tls.certificate, empty),
        "no certificate": Tls(empty, tls.key),
        "absent": Tls(tmp_path / "absent.pem", tls.key),
        "swapped": Tls(tls.key, tls.certificate),
    }

    with pytest.raises(ProcessFailed) as failed:
        served.add_frontend(FrontendSpec(tls=pairs[wrong]))

    assert failed.value.returncode == 1
    assert served.frontends[-1].process.search_log(message)
    # The one that runs is none the worse.
    assert_serves(served)


def test_certificate_without_a_key_ends_the_frontend(served: Deployment, tls: Tls) -> None:
    half = FrontendSpec(extra=("--tls-cert-path", str(tls.certificate)))
    with pytest.raises(ProcessFailed) as failed:
        served.add_frontend(half)

    assert failed.value.returncode == 1
    assert "--tls-cert-path and --tls-key-path must be provided together" in failed.value.tail
