"""The two servers of a local Hub: the Hub itself, and the storage that it redirects to."""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import re
import socket
import ssl
import struct
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from .faults import (
    Cut,
    Echo,
    Fault,
    Hold,
    IgnoreRange,
    Redirect,
    Silence,
    Slow,
    Status,
    Wrong,
)
from .models import LFS, File, Model

__all__ = ["Hub", "Request"]

_API = re.compile(r"/api/models/(?P<name>[^/]+(?:/[^/]+)?)")
_FILE = re.compile(r"/(?P<name>[^/]+(?:/[^/]+)?)/resolve/(?P<revision>[^/]+)/(?P<path>.+)")
_RANGE = re.compile(r"bytes=(\d+)-(\d*)")
_PIECE = 64 * 1024


@dataclass
class Request:
    """One request, and what became of it."""

    server: str
    method: str
    path: str
    token: str | None
    range: str | None
    status: int = 0
    # Bytes of a file that were sent.
    sent: int = 0


@dataclass
class _Order:
    pattern: str
    fault: Fault
    times: int | None
    server: str
    method: str | None


@dataclass
class _Reply:
    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    # Whether the body is a file, of which a part may be asked for.
    is_file: bool = False


class Hub(contextlib.AbstractContextManager["Hub"]):
    """A Hub at `endpoint`; files in large-file storage are at another port."""

    def __init__(self, tokens: set[str] | None = None, certificate: Path | None = None) -> None:
        """With a certificate and its key in one file, both servers speak TLS."""
        self.models: dict[str, Model] = {}
        # The tokens that the Hub knows.
        self.tokens = set() if tokens is None else tokens
        self.requests: list[Request] = []
        # The faults that have been made.
        self.made: list[Fault] = []
        self._orders: list[_Order] = []
        self._lock = threading.Lock()
        self._closing = threading.Event()
        self._hub = _Server(self, "hub")
        self._storage = _Server(self, "storage")
        self._scheme = "http"
        if certificate is not None:
            self._scheme = "https"
            for server in (self._hub, self._storage):
                server.speak_tls(certificate)
        for server in (self._hub, self._storage):
            threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends both servers, and every connection."""
        self._closing.set()
        for server in (self._hub, self._storage):
            server.shutdown()
            server.server_close()

    @property
    def endpoint(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._hub.server_port}"

    @property
    def storage(self) -> str:
        return f"{self._scheme}://127.0.0.1:{self._storage.server_port}"

    def environment(self, home: Path, token: str | None = None) -> dict[str, str]:
        """The variables of a process that is to use this Hub, with its cache in `home`."""
        dropped = ("HF_", "HUGGING", "TRANSFORMERS_", "XDG_CACHE")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        proxies = ("http_proxy", "https_proxy", "all_proxy")
        kept = {name: value for name, value in kept.items() if name.lower() not in proxies}
        kept |= {"HF_ENDPOINT": self.endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
        return kept if token is None else kept | {"HF_TOKEN": token}

    def add(
        self, name: str, files: Mapping[str, bytes], lfs: tuple[str, ...] = LFS, **about: Any
    ) -> Model:
        """Adds a model of one commit; `about` are further fields of it."""
        model = Model(name, lfs, **about)
        model.commit(files)
        self.models[name] = model
        return model

    def order(
        self,
        pattern: str,
        *faults: Fault,
        times: int | None = 1,
        server: str = "*",
        method: str | None = None,
    ) -> None:
        """Orders faults for requests whose path fits, each so many times, one after the other.

        A file keeps its path at the storage. `server` is `hub`, `storage` or either.
        """
        with self._lock:
            for fault in faults:
                self._orders.append(_Order(pattern, fault, times, server, method))

    def forget_orders(self) -> None:
        with self._lock:
            self._orders.clear()

    def asked(self, pattern: str, method: str | None = None) -> list[Request]:
        """The requests so far whose path fits."""
        with self._lock:
            fitting = [one for one in self.requests if fnmatch(one.path, pattern)]
        return [one for one in fitting if method in (None, one.method)]

    def sent(self, pattern: str = "*") -> int:
        """How many bytes of files whose path fits were sent."""
        return sum(request.sent for request in self.asked(pattern))

    def _take_order(self, request: Request) -> Fault | None:
        with self._lock:
            for order in self._orders:
                if order.times == 0 or order.method not in (None, request.method):
                    continue
                if fnmatch(request.path, order.pattern) and fnmatch(request.server, order.server):
                    if order.times is not None:
                        order.times -= 1
                    self.made.append(order.fault)
                    return order.fault
        return None

    def _reply(self, request: Request, query: Mapping[str, list[str]]) -> _Reply:
        if request.server == "storage":
            return self._stored(request)
        if request.path.startswith("/api/models/"):
            return self._described(request, query)
        return self._resolved(request)

    def _described(self, request: Request, query: Mapping[str, list[str]]) -> _Reply:
        matched = _API.match(request.path)
        rest = request.path[len("/api/models/") :]
        name, _, what = rest.partition("/revision/")
        kind = "revision"
        if not what and "/tree/" in rest:
            name, _, what = rest.partition("/tree/")
            kind = "tree"
        if matched is None:
            return _refusal(404, "RepoNotFound", "Repository not found")
        model, refusal = self._visible(name, request)
        if model is None:
            return refusal
        commit = model.at(unquote(what) or "main")
        if commit is None:
            return _refusal(404, "RevisionNotFound", f"Invalid rev id: {unquote(what)}")
        told: Any = (
            model.tree(commit)
            if kind == "tree"
            else model.info(commit, query.get("blobs", ["false"])[0].lower() == "true")
        )
        body = json.dumps(told).encode()
        return _Reply(200, {"Content-Type": "application/json"}, body)

    def _resolved(self, request: Request) -> _Reply:
        matched = _FILE.fullmatch(request.path)
        if matched is None:
            return _refusal(404, "", "Sorry, we can't find the page you are looking for.")
        model, refusal = self._visible(matched["name"], request)
        if model is None:
            return refusal
        commit = model.at(unquote(matched["revision"]))
        if commit is None:
            return _refusal(404, "RevisionNotFound", "Invalid rev id")
        about = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if model.gated and request.token not in model.readers:
            status = 401 if request.token is None else 403
            return _refusal(status, "GatedRepo", f"Access to model {model.name} is restricted.")
        path = unquote(matched["path"])
        file = model.commits[commit].get(path)
        if file is None:
            refusal = _refusal(404, "EntryNotFound", "Entry not found")
            refusal.headers |= about
            return refusal
        if not file.in_lfs:
            return _Reply(200, about | {"ETag": f'"{file.etag}"'}, file.content, is_file=True)
        about |= {
            "X-Linked-Etag": f'"{file.sha256}"',
            "X-Linked-Size": str(len(file.content)),
            "Location": f"{self.storage}{request.path}?signature=not-to-be-shown",
        }
        return _Reply(302, about, b"Found. Redirecting")

    def _stored(self, request: Request) -> _Reply:
        matched = _FILE.fullmatch(request.path)
        model = self.models.get(matched["name"]) if matched else None
        file: File | None = None
        if matched and model:
            commit = model.at(unquote(matched["revision"]))
            file = model.commits.get(commit or "", {}).get(unquote(matched["path"]))
        if file is None:
            return _Reply(403, {}, b"<Error><Code>AccessDenied</Code></Error>")
        # The storage has a checksum of its own.
        return _Reply(200, {"ETag": f'"{file.blob[:32]}"'}, file.content, is_file=True)

    def _visible(self, name: str, request: Request) -> tuple[Model | None, _Reply]:
        if request.token is not None and request.token not in self.tokens:
            message = "Invalid credentials in Authorization header"
            return None, _refusal(401, "", message)
        model = self.models.get(name)
        hidden = model is not None and model.private and request.token not in model.readers
        if model is None or hidden:
            if request.token is None:
                # Whether it is private or is not there is told to nobody who is nobody.
                return None, _refusal(401, "RepoNotFound", "Invalid username or password.")
            return None, _refusal(404, "RepoNotFound", "Repository not found")
        return model, _Reply(200)


def _refusal(status: int, code: str, message: str) -> _Reply:
    headers = {"Content-Type": "application/json"}
    if code:
        headers["X-Error-Code"] = code
    if message:
        headers["X-Error-Message"] = message
    return _Reply(status, headers, json.dumps({"error": message}).encode())


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    # Many clients may come at once.
    request_queue_size = 128

    def __init__(self, hub: Hub, name: str) -> None:
        self.hub = hub
        self.name = name
        super().__init__(("127.0.0.1", 0), _Handler)

    def speak_tls(self, certificate: Path) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        # By the thread of each connection, so that none keeps the others.
        self.socket = context.wrap_socket(
            self.socket, server_side=True, do_handshake_on_connect=False
        )

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is nothing to print."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server
    # A client that keeps its connection and says nothing more holds a thread; not for ever.
    timeout = 60

    def do_GET(self) -> None:
        self._answer()

    def do_HEAD(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""

    def _answer(self) -> None:
        address = urlsplit(self.path)
        authorization = self.headers.get("Authorization")
        request = Request(
            self.server.name,
            self.command,
            unquote(address.path),
            authorization.removeprefix("Bearer ") if authorization else None,
            self.headers.get("Range"),
        )
        hub = self.server.hub
        with hub._lock:
            hub.requests.append(request)
        fault = hub._take_order(request)
        quoted = Request(request.server, request.method, address.path, request.token, None)
        reply = hub._reply(quoted, parse_qs(address.query))
        match fault:
            case Status():
                reply = _refusal(fault.status, fault.code, fault.message)
                reply.headers |= fault.headers
                reply.body = fault.body or reply.body
            case Echo():
                message = f"you sent {authorization}"
                reply = _refusal(fault.status, "", message)
            case Redirect():
                to = fault.to or f"{hub.endpoint}{self.path}"
                reply = _Reply(fault.status, {"Location": to})
            case _:
                pass
        self._send(request, reply, fault)

    def _send(self, request: Request, reply: _Reply, fault: Fault | None) -> None:
        body, status, headers = reply.body, reply.status, dict(reply.headers)
        if reply.is_file and not isinstance(fault, IgnoreRange) and request.range:
            matched = _RANGE.fullmatch(request.range)
            size = len(body)
            start = int(matched[1]) if matched else 0
            if start >= size:
                status, body = 416, b""
                headers["Content-Range"] = f"bytes */{size}"
            else:
                end = min(int(matched[2]) if matched and matched[2] else size - 1, size - 1)
                headers["Content-Range"] = f"bytes {start}-{end}/{size}"
                status, body = 206, body[start : end + 1]
        if isinstance(fault, Wrong) and status in (200, 206):
            body = _damaged(body, fault)
        request.status = status
        self.send_response(status)
        headers["Content-Length"] = str(len(body))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        counted = request if reply.is_file else None
        with contextlib.suppress(OSError):
            self._send_body(body, counted, fault)

    def _send_body(self, body: bytes, counted: Request | None, fault: Fault | None) -> None:
        closing = self.server.hub._closing
        end, piece = len(body), _PIECE
        match fault:
            case Cut() | Silence():
                end = min(fault.after, end)
            case Slow():
                piece = fault.piece
            case Hold():
                fault.until.wait(timeout=60)
            case _:
                pass
        for start in range(0, end, piece):
            if isinstance(fault, Slow) and closing.wait(fault.pause):
                break
            part = body[start : min(start + piece, end)]
            self.wfile.write(part)
            if counted is not None:
                counted.sent += len(part)
        match fault:
            case Silence():
                closing.wait(timeout=60)
                self.close_connection = True
            case Cut():
                self._hang_up(fault.reset)
            case _:
                pass

    def _hang_up(self, reset: bool) -> None:
        self.close_connection = True
        self.wfile.flush()
        if reset:
            # What was sent is to arrive; the reset is for what was not.
            time.sleep(0.01)
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
            self.connection.close()
        else:
            with contextlib.suppress(OSError):
                self.connection.shutdown(socket.SHUT_RDWR)


def _damaged(body: bytes, fault: Wrong) -> bytes:
    if not body:
        return fault.more
    at = fault.at % len(body)
    body = body[:at] + bytes([body[at] ^ 0xFF]) + body[at + 1 :]
    body += fault.more
    return body[: len(body) - fault.less]
