"""The private pytest names that concern what tests print. All others: `_pytest_private`.

Checked on pytest 8.0, 8.4, 9.0 and 9.2. Each function says which name it touches.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from _pytest.debugging import pytestPDB
from _pytest.terminal import TerminalReporter

__all__ = [
    "before_debugger",
    "captured",
    "captures",
    "live_log",
    "restart_capture",
    "shows_failures_in_debugger",
    "silence_reporter",
    "suspend_capture",
]


def restart_capture(config: pytest.Config, meanwhile: Callable[[], None] | None = None) -> None:
    """Give a forked child capture files of its own (``CaptureManager``).

    pytest captures into an unlinked temporary file whose offset a fork shares, so
    two processes would read each other's output. Left as pytest leaves it between two
    tests: started and suspended. ``meanwhile`` is called while nothing is captured.
    """
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    captures = capture is not None and capture._global_capturing is not None
    if captures:
        capture.stop_global_capturing()
    if meanwhile is not None:
        meanwhile()
    if captures:
        capture.start_global_capturing()
        capture.suspend_global_capture(in_=False)


@contextlib.contextmanager
def captured(config: pytest.Config) -> Iterator[None]:
    """Swallow what is written meanwhile, as the capture is set up (``CaptureManager``)."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is None or capture._global_capturing is None:
        yield
        return
    capture.resume_global_capture()
    try:
        yield
    finally:
        capture.suspend_global_capture(in_=False)
        capture.read_global_capture()


def captures(config: pytest.Config) -> Iterator[Any]:
    """What captures standard output and error between tests (``MultiCapture.out``, ``err``).

    Each has a ``tmpfile``, and a ``snap`` that takes the text out of it.
    """
    manager: Any = config.pluginmanager.getplugin("capturemanager")
    capturing = getattr(manager, "_global_capturing", None)
    for capture in (getattr(capturing, "out", None), getattr(capturing, "err", None)):
        if capture is not None:
            yield capture


def silence_reporter(config: pytest.Config) -> None:
    """Let pytest's terminal reporter not hear of tests (``TerminalReporter``).

    Where nobody sees what it writes, it would take a sixth of the time of a small test.
    """
    hooks: Any = config.hook
    for name in ("logstart", "logreport", "logfinish"):
        for hook in getattr(hooks, f"pytest_runtest_{name}").get_hookimpls():
            if type(hook.plugin) is TerminalReporter:
                hook.function, hook.argnames = _nothing, ()


def _nothing() -> None:
    pass


def live_log(config: pytest.Config) -> Any:
    """The handler that writes ``log_cli`` lines, if there is one (``LoggingPlugin``)."""
    plugin: Any = config.pluginmanager.get_plugin("logging-plugin")
    handler = getattr(plugin, "log_cli_handler", None)
    return handler if hasattr(handler, "setStream") else None


def suspend_capture(config: pytest.Config) -> None:
    """Let go of all standard streams, as pytest does before a debugger (``CaptureManager``)."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend(in_=True)


def before_debugger(call: Callable[[], None]) -> Callable[[], None]:
    """Have ``call`` called before a debugger is made (``pytestPDB._init_pdb``).

    The public ``pytest_enter_pdb`` comes after pytest's heading is printed and after the
    debugger has looked at the terminal. Returns what undoes it.
    """
    owner: Any = pytestPDB
    made_by = owner.__dict__["_init_pdb"]

    def first(cls: Any, *args: Any, **kwargs: Any) -> Any:
        call()
        return made_by.__func__(cls, *args, **kwargs)

    owner._init_pdb = classmethod(first)

    def undo() -> None:
        owner._init_pdb = made_by

    return undo


def shows_failures_in_debugger(config: pytest.Config) -> bool:
    """Whether ``--pdb`` was given (``PdbInvoke``)."""
    return config.pluginmanager.has_plugin("pdbinvoke")
