"""The proxy parts two sockets as a network would."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from dyno.dynamo import eventually

from tests.utils.proxy import Proxy

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.fault_tolerance,
]

# What is to come has come within this, on a machine under load.
SECONDS = 20.0

# Long enough that what comes at all has come: no test waits for it where all is well but those of
# a network that holds.
SILENCE = 0.2


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(SECONDS)
        yield listener


@pytest.fixture
def proxy(server: socket.socket) -> Iterator[Proxy]:
    with Proxy(server.getsockname()[1]) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), SECONDS)


def is_reset(proxy: Proxy) -> bool:
    """Whether a new connection is reset, at once or a moment later."""
    try:
        with connect(proxy) as client:
            client.recv(1)
    except ConnectionResetError:
        return True
    return False


@pytest.fixture
def ends(proxy: Proxy, server: socket.socket) -> Iterator[tuple[socket.socket, socket.socket]]:
    """A connection through the proxy: the client's socket, and the server's."""
    with connect(proxy) as client:
        accepted, _ = server.accept()
        with accepted:
            accepted.settimeout(SECONDS)
            yield client, accepted


Ends = tuple[socket.socket, socket.socket]


def hears_nothing(end: socket.socket) -> bool:
    end.settimeout(SILENCE)
    try:
        end.recv(1)
        return False
    except TimeoutError:
        return True
    finally:
        end.settimeout(SECONDS)


def receive(end: socket.socket, size: int) -> bytes:
    received = b""
    while len(received) < size:
        piece = end.recv(size - len(received))
        assert piece, f"the connection ended after {len(received)} bytes of {size}"
        received += piece
    return received


def test_both_ways_are_open(proxy: Proxy, ends: Ends) -> None:
    client, server = ends
    client.sendall(b"there")
    assert receive(server, 5) == b"there"
    server.sendall(b"back")
    assert receive(client, 4) == b"back"
    assert (proxy.accepted, proxy.connections) == (1, 1)


def test_much_comes_whole_and_in_order(ends: Ends) -> None:
    client, server = ends
    much = bytes(range(256)) * 256
    client.sendall(much)

    assert receive(server, len(much)) == much


def test_end_of_one_way_leaves_the_other_open(ends: Ends) -> None:
    client, server = ends
    client.shutdown(socket.SHUT_WR)
    assert server.recv(1) == b""
    server.sendall(b"still")

    assert receive(client, 5) == b"still"


def test_held_bytes_come_when_it_resumes(proxy: Proxy, ends: Ends) -> None:
    client, server = ends
    proxy.hold()
    client.sendall(b"one")
    server.sendall(b"two")
    assert hears_nothing(server)
    assert hears_nothing(client)
    assert proxy.connections == 1

    proxy.resume()

    assert receive(server, 3) == b"one"
    assert receive(client, 3) == b"two"


def test_new_connections_are_held_too(proxy: Proxy, server: socket.socket) -> None:
    proxy.hold()
    with connect(proxy) as client:
        client.sendall(b"one")
        server.settimeout(SILENCE)
        with pytest.raises(TimeoutError):
            server.accept()
        server.settimeout(SECONDS)
        proxy.resume()
        accepted, _ = server.accept()
        with accepted:
            assert receive(accepted, 3) == b"one"


def test_cut_resets_both_ends_and_whoever_comes(proxy: Proxy, ends: Ends) -> None:
    proxy.cut()
    for end in ends:
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    assert is_reset(proxy)
    assert (proxy.accepted, proxy.connections) == (1, 0)


def test_after_a_cut_connections_are_made_anew(proxy: Proxy, server: socket.socket) -> None:
    proxy.cut()
    proxy.resume()
    with connect(proxy) as client:
        accepted, _ = server.accept()
        with accepted:
            client.sendall(b"one")
            assert receive(accepted, 3) == b"one"


def test_server_that_is_not_there_resets(proxy: Proxy, server: socket.socket) -> None:
    server.close()
    assert is_reset(proxy)
    eventually(lambda: proxy.connections == 0, what="the connection is given up")


def test_close_frees_the_port(server: socket.socket) -> None:
    with Proxy(server.getsockname()[1]) as proxy:
        port = proxy.port
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), SECONDS)
