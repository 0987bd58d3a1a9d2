"""Lets a listener hear what Python code asks of the machine: audit events, variables, paths.

There is one listener at a time. Without one, everything here is as if it were not there,
save that an audit hook, which cannot be taken back, returns at once.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pathlib
import shutil  # noqa: F401 - decides at its import what `os.stat` can do
import socket
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any, Protocol

__all__ = ["UNCACHEABLE", "begin", "end", "paused", "watch_socket"]

# Audit events after which an outcome may be another next time. The machine's name is none:
# answers are kept for each machine by itself.
UNCACHEABLE = {
    "subprocess.Popen": "starts a process",
    "os.system": "starts a process",
    "os.exec": "starts a process",
    "os.posix_spawn": "starts a process",
    "os.fork": "starts a process",
    "pty.spawn": "starts a process",
    "socket.connect": "opens a connection",
    "socket.getaddrinfo": "asks for an address",
    "socket.gethostbyname": "asks for an address",
    "sqlite3.connect": "opens a database",
}


class Listener(Protocol):
    """What is told. Each is called two frames below the code that is heard, save as said."""

    def opened(self, path: Any, flags: int) -> None: ...
    def listed(self, path: Any) -> None: ...
    def makes(self, path: Any, frame: FrameType) -> None: ...
    def asked(self, name: str) -> None: ...
    def executed(self, code: CodeType) -> None: ...
    def started(self, event: str, args: tuple[Any, ...]) -> None: ...
    def bound(self, bound: socket.socket, address: Any) -> None: ...
    def looked_at_socket(self, name: str) -> None: ...
    def looked(self, path: Any, found: os.stat_result | None, frame: FrameType) -> None: ...
    def looked_below_a_descriptor(self) -> None: ...
    def read_environment(self) -> None: ...
    def wrote_variable(self, name: str) -> None: ...
    def failed(self, error: Exception) -> None: ...

    def read_variable(self, name: str, value: str | None) -> None:
        """Called three frames below."""


_current: Listener | None = None
_hooked = False
_undo: list[Callable[[], None]] = []


def begin(listener: Listener) -> None:
    global _current, _hooked
    _watch_paths()
    _watch_environment()
    _current = listener
    if not _hooked:
        sys.addaudithook(_audit)
        _hooked = True


def end(listener: Listener) -> None:
    """Also where it is not ``listener`` that listens, or nobody does."""
    global _current
    if _current is listener:
        _current = None
        while _undo:
            _undo.pop()()


@contextlib.contextmanager
def paused() -> Iterator[None]:
    """Let nobody hear."""
    global _current
    before, _current = _current, None
    try:
        yield
    finally:
        _current = before


def _watch_paths() -> None:
    for name in ("stat", "lstat", "access"):
        original = getattr(os, name)
        watched = _watch_call(original)
        _replace(os, name, watched)
        for capabilities in (
            os.supports_dir_fd,
            os.supports_effective_ids,
            os.supports_fd,
            os.supports_follow_symlinks,
        ):
            if original in capabilities:
                capabilities.add(watched)
                _undo.append(functools.partial(capabilities.discard, watched))
        # Python 3.10 keeps the functions that `pathlib` calls in a class.
        accessor = getattr(pathlib, "_NormalAccessor", None)
        if hasattr(accessor, name):
            _replace(accessor, name, staticmethod(watched))


def _watch_environment() -> None:
    environments: list[Any] = [os.environ, os.environb]
    for environment in environments:
        base: Any = type(environment)
        _replace(environment, "__class__", _watched_environment(base))


def _replace(owner: Any, name: str, value: Any) -> None:
    original = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
    setattr(owner, name, value)

    def restore() -> None:
        now = owner.__dict__[name] if isinstance(owner, type) else getattr(owner, name)
        if now is value:  # Else somebody has put another in its place, for good.
            setattr(owner, name, original)

    _undo.append(restore)


def _audit(event: str, args: tuple[Any, ...]) -> None:
    listener = _current
    if listener is None:
        return
    try:
        if event == "open":
            listener.opened(args[0], args[2])
        elif event == "import":
            listener.asked(args[0])
        elif event == "exec":
            listener.executed(args[0])
        elif event in ("os.listdir", "os.scandir"):
            listener.listed(args[0])
        elif event == "os.mkdir":
            listener.makes(args[0], sys._getframe(1))
        elif event == "socket.bind":
            listener.bound(args[0], args[1])
        elif event in UNCACHEABLE:
            listener.started(event, args)
    except Exception as error:  # noqa: BLE001 - it would be raised in the suite's own code
        listener.failed(error)


def _watch_call(original: Any) -> Any:
    """``os.stat`` or its like, that tells the listener, as long as there is one."""

    @functools.wraps(original)
    def watched(path: Any, *args: Any, **kwargs: Any) -> Any:
        __tracebackhide__ = True
        listener = _current
        if listener is None:
            return original(path, *args, **kwargs)
        found = None
        try:
            result = original(path, *args, **kwargs)
            found = result if isinstance(result, os.stat_result) else _NO_KIND
        finally:
            _tell(listener, path, kwargs, found, sys._getframe(1))
        return result

    return watched


_NO_KIND = object()


def _stat(path: Any, stat: Callable[..., os.stat_result] = os.stat) -> os.stat_result | None:
    """Without being watched."""
    try:
        return stat(path)
    except OSError:
        return None


def _tell(
    listener: Listener, path: Any, kwargs: dict[str, Any], found: Any, frame: FrameType
) -> None:
    if found is not None and frame.f_code.co_name in ("realpath", "_joinrealpath"):
        return  # Every folder above: what is asked for below them is recorded itself.
    try:
        if kwargs.get("dir_fd") is not None:
            listener.looked_below_a_descriptor()
        else:
            listener.looked(path, _stat(path) if found is _NO_KIND else found, frame)
    except Exception as error:  # noqa: BLE001 - it would be raised in the suite's own code
        listener.failed(error)


@functools.cache
def _watched_environment(base: type[Any]) -> type[Any]:
    """The class of ``os.environ`` with ears. Every way to read a variable ends in these."""

    class Environment(base):  # type: ignore[misc]
        def __getitem__(self, key: Any) -> Any:
            __tracebackhide__ = True
            listener = _current
            if listener is not None:
                _tell_variable(listener, self, key)
            return super().__getitem__(key)

        def __iter__(self) -> Iterator[Any]:
            if _current is not None:
                _current.read_environment()
            names: Iterator[Any] = super().__iter__()
            return names

        def __setitem__(self, key: Any, value: Any) -> None:
            __tracebackhide__ = True
            super().__setitem__(key, value)
            if _current is not None:
                _current.wrote_variable(os.fsdecode(key))

        def __delitem__(self, key: Any) -> None:
            __tracebackhide__ = True
            super().__delitem__(key)
            if _current is not None:
                _current.wrote_variable(os.fsdecode(key))

    Environment.__name__ = base.__name__
    Environment.__qualname__ = base.__qualname__
    Environment.__module__ = base.__module__
    return Environment


def _tell_variable(listener: Listener, environment: Any, key: Any) -> None:
    try:
        try:
            value = environment._data.get(environment.encodekey(key))
        except (TypeError, ValueError):
            return  # No name of a variable, as the call itself will say.
        name = os.fsdecode(key)
        listener.read_variable(name, None if value is None else os.fsdecode(value))
    except Exception as error:  # noqa: BLE001 - it would be raised in the suite's own code
        listener.failed(error)


# Of a socket that was bound, these tell nothing but whether that was possible.
_SILENT = {
    *("bind", "close", "setblocking", "setsockopt", "settimeout"),
    *("family", "type", "proto", "__class__", "__enter__", "__exit__"),
    *("_closed", "_io_refs", "_real_close"),
}


class _WatchedSocket(socket.socket):
    __slots__ = ()

    def __getattribute__(self, name: str) -> Any:
        if _current is not None and name not in _SILENT:
            _current.looked_at_socket(name)
        return super().__getattribute__(name)


for _name in ("__name__", "__qualname__", "__module__"):
    setattr(_WatchedSocket, _name, getattr(socket.socket, _name))


def watch_socket(bound: socket.socket) -> bool:
    """Let the listener hear when anybody looks at the socket; false where it cannot."""
    if type(bound) is socket.socket:
        bound.__class__ = _WatchedSocket
    return type(bound) is _WatchedSocket
