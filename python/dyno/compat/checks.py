"""How a `dyno.ManagedProcess` finds out that it is ready: its health checks."""

from __future__ import annotations

import contextlib
import inspect
import logging
import os
import socket
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from dyno.compat.answer import check_url, fetch, is_unanswered
from dyno.fixtures.errors import BenchError, NotReady, ProcessFailed

if TYPE_CHECKING:
    from dyno.compat.popen import Popen

__all__ = ["Checks", "accepts"]

# The first wait of a check that is tried again; each is twice the one before, up to what the
# check says. A server is ready in tens of milliseconds, an engine in minutes.
_FIRST_WAIT = 0.05

# An attempt that is given less, in seconds, may be cut off by its end.
_SHORT = 1.0

# How long a process is watched, in seconds, whose port somebody else had before it: one that
# cannot have its port ends.
_SETTLE = 1.0

# Of a log that is read without the agent, so much at most.
_TAIL = 1 << 16

_LINES = 20


def accepts(port: int, timeout: float = 1.0) -> bool:
    """Whether somebody accepts connections on a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as end:
        end.settimeout(timeout)
        if end.connect_ex(("localhost", port)) != 0:
            return False
        # A port that nobody has may be given to the very connection that asks for it.
        with contextlib.suppress(OSError):
            return bool(end.getsockname() != end.getpeername())
        return False


class Checks:
    """The health checks; each returns the seconds that it took."""

    health_check_ports: list[int]
    health_check_urls: list[Any]
    health_check_funcs: list[Any]
    proc: Popen | None
    _logger: logging.Logger
    _log_path: str | None
    _command_name: str | None
    # The ports of the checks on which somebody answered before this process was started.
    _dyno_taken: frozenset[int] = frozenset()

    def _check_ports(self, timeout: float) -> float:
        __tracebackhide__ = True
        return self._dyno_check_each(self._check_port, self.health_check_ports, timeout)

    def _check_urls(self, timeout: float) -> float:
        __tracebackhide__ = True
        return self._dyno_check_each(self._check_url, self.health_check_urls, timeout)

    def _check_funcs(self, timeout: float) -> float:
        __tracebackhide__ = True
        return self._dyno_check_each(self._check_func, self.health_check_funcs, timeout)

    def _dyno_check_each(
        self, check: Callable[[Any, float], float], things: list[Any], timeout: float
    ) -> float:
        __tracebackhide__ = True
        elapsed = 0.0
        for thing in things:
            elapsed += check(thing, timeout - elapsed)
        return elapsed

    def _check_port(self, port: int, timeout: float = 30, sleep: float = 0.1) -> float:
        """Somebody accepts connections on a port."""
        __tracebackhide__ = True

        def attempt(left: float) -> str | None:
            return (
                None
                if accepts(port, min(max(left, _FIRST_WAIT), 1.0))
                else "it accepts no connection"
            )

        elapsed = self._dyno_await(attempt, f"port {port}", timeout, sleep)
        if port in self._dyno_taken:
            elapsed += self._dyno_settle(port)
        return elapsed

    def _check_url(
        self, url: Any, timeout: float = 30, sleep: float = 1, log_interval: float = 20
    ) -> float:
        """A URL is answered with 200, and its function, if it has one, is content."""
        __tracebackhide__ = True
        address, check, any_status = _parts(url)
        check_url(address)

        def attempt(left: float) -> str | None:
            try:
                answer = fetch(address, left)
                if answer.status_code != 200 and not any_status:
                    return f"status {answer.status_code}"
                if check is not None and not check(answer):
                    return f"status {answer.status_code}, and {_named(check)} says no"
            except Exception as error:
                if not is_unanswered(error):
                    raise
                return str(error)
            return None

        return self._dyno_await(attempt, f"URL {address}", timeout, sleep, log_interval)

    def _check_func(
        self, func: Any, timeout: float = 30, sleep: float = 1, log_interval: float = 20
    ) -> float:
        """A function returns something true. It is given the seconds that are left, if it takes
        an argument."""
        __tracebackhide__ = True

        def attempt(left: float) -> str | None:
            try:
                came = func(left) if _takes_one(func) else func()
            except Exception as error:  # noqa: BLE001 - whatever it raises means not yet
                return f"{type(error).__name__}: {error}"
            return None if came else f"it returned {came!r}"

        return self._dyno_await(attempt, f"function {_named(func)}", timeout, sleep, log_interval)

    def _dyno_await(
        self,
        attempt: Callable[[float], str | None],
        what: str,
        timeout: float,
        sleep: float,
        log_interval: float = 20,
    ) -> float:
        __tracebackhide__ = True
        began = said = time.monotonic()
        wait = min(_FIRST_WAIT, sleep)
        before: str | None = None
        while True:
            self._check_process_alive(f"while waiting for {what}")
            left = began + timeout - time.monotonic()
            missing = attempt(max(left, 0.0))
            now = time.monotonic()
            if missing is None:
                self._logger.info(
                    "%s: %s is ready after %.1f s", self._dyno_name(), what, now - began
                )
                return now - began
            if left < _SHORT and before is not None:
                # That an attempt was cut off says less than how the last whole one failed.
                missing = before
            if now - began >= timeout:
                # The end of the process says more than what it no longer answers.
                self._check_process_alive(f"while waiting for {what}")
                raise NotReady(
                    f"{self._dyno_name()!r} is not ready after {now - began:.1f} s: "
                    f"{what} is not met ({missing})",
                    name=self._dyno_name(),
                    tail=self._dyno_tail(),
                )
            before = missing
            if now - said >= log_interval:
                self._logger.info("%s: still waiting for %s (%s)", self._dyno_name(), what, missing)
                said = now
            time.sleep(max(0.0, min(wait, began + timeout - now)))
            wait = min(wait * 2, sleep)

    def _dyno_settle(self, port: int) -> float:
        __tracebackhide__ = True
        began = time.monotonic()
        while (now := time.monotonic()) - began < _SETTLE:
            self._check_process_alive(f"while waiting for port {port}")
            time.sleep(_FIRST_WAIT)
        self._logger.warning(
            "%s: on port %d somebody answered before it was started, so an answer there says "
            "nothing of it",
            self._dyno_name(),
            port,
        )
        return now - began

    def _check_process_alive(self, context: str = "") -> None:
        """Raise ProcessFailed, a RuntimeError, if the process has ended."""
        __tracebackhide__ = True
        if self.proc is None or self.proc.poll() is None:
            return
        code = self.proc.returncode
        text = f"{self._dyno_name()!r} exited with code {code} {context}".rstrip()
        if self._dyno_taken:
            ports = ", ".join(map(str, sorted(self._dyno_taken)))
            text += f"; on port {ports} somebody else answered before it was started"
        self._log_tail_on_error()
        raise ProcessFailed(text, name=self._dyno_name(), returncode=code, tail=self._dyno_tail())

    def _log_tail_on_error(self, lines: int = _LINES) -> None:
        tail = self._dyno_tail(lines)
        if tail:
            self._logger.error("the end of the log %s:\n%s", self._log_path, tail)

    def _dyno_name(self) -> str:
        return os.path.basename(str(self._command_name or "process"))

    def _dyno_tail(self, lines: int = _LINES) -> str:
        process = getattr(self.proc, "process", None)
        if process is not None:
            with contextlib.suppress(BenchError):
                tail: str = process.tail(lines)
                return tail[-4096:]
        try:
            with open(self._log_path or os.devnull, "rb") as log:
                log.seek(-min(_TAIL, log.seek(0, os.SEEK_END)), os.SEEK_END)
                text = log.read().decode(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])[-4096:]


def _parts(url: Any) -> tuple[str, Callable[[Any], object] | None, bool]:
    """A URL, its function, and whether that also judges answers other than 200."""
    if isinstance(url, (tuple, list)):
        address, check, any_status = (*url, None, None)[:3]
        return str(address), check, bool(any_status)
    return str(url), None, False


def _takes_one(func: Callable[..., object]) -> bool:
    try:
        inspect.signature(func).bind(0.0)
    except TypeError:
        return False
    except ValueError:  # It does not say.
        return True
    return True


def _named(func: object) -> str:
    return getattr(func, "__qualname__", None) or repr(func)
