"""The pytest session that runs in this process, for code that is given no fixture; a plugin.

Such code uses the agent of the session. Outside of pytest there is one that is closed at exit.
"""

from __future__ import annotations

import atexit
from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

from dyno import fixtures

# What a process needs that starts servers is loaded when it starts one: each run loads this plugin.
if TYPE_CHECKING:
    from dyno.fixtures.bench import Bench
    from dyno.fixtures.guard import Guard, OpenBench
    from dyno.fixtures.source import AgentSource

__all__ = ["close", "current_source", "keep_sections", "open_bench"]

# The last is current: a test of a plugin may run a session within the session.
_sessions: list[pytest.Config] = []

# The agents of a process without a session.
_outside: AgentSource | None = None

# What the processes looked like that the phase's own failure has ended.
_ended: list[tuple[str, str]] = []


def pytest_configure(config: pytest.Config) -> None:
    _sessions.append(config)


def pytest_unconfigure(config: pytest.Config) -> None:
    if config in _sessions:
        _sessions.remove(config)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    _ended.clear()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if report.failed:
        report.sections.extend(_ended)
    _ended.clear()
    return report


def current_source() -> AgentSource:
    """Where to get an agent."""
    guard = _guard()
    if guard is not None:
        return guard.source
    global _outside
    if _outside is None:
        from dyno.fixtures.source import AgentSource

        _outside = AgentSource()
        atexit.register(_outside.close)
    return _outside


def open_bench(bench: Bench) -> OpenBench:
    """Let reports tell of a bench's processes; a death of one that is guarded fails whatever
    test runs."""
    from dyno.fixtures.guard import OpenBench

    opened = OpenBench(bench, "", is_of_test=True)
    guard = _guard()
    if guard is not None:
        guard.open.append(opened)
    return opened


def close(opened: OpenBench) -> None:
    """The end of `open_bench`."""
    guard = _guard()
    if guard is not None and opened in guard.open:
        guard.open.remove(opened)


def keep_sections(bench: Bench) -> None:
    """Have the report of the phase that fails tell of a bench that ends before it."""
    if _guard() is not None:
        from dyno.fixtures.sections import sections

        _ended.extend(sections(bench))


def _guard() -> Guard | None:
    return fixtures.guard_of(_sessions[-1]) if _sessions else None
