"""What a worker inherits of the template's plugins, and what it does over.

Under pytest-xdist a worker is an interpreter of its own: plugins are configured and its
session is started in it, with ``config.workerinput`` there for who asks. A fork inherits
what the template configured and started. So in a worker

- ``pytest_sessionstart`` is called again, as its session's ``pytest_sessionfinish`` will be,
- ``pytest_configure`` is called again where it asks whether it is in a worker, and what it
  registered in the template is gone; of any other it keeps what that one set up,
- ``pytest_unconfigure`` is called only where ``pytest_configure`` was: what the template has
  set up is the template's to take down, and ``pytest_terminal_summary`` not at all.

pytest's own plugins know nothing of workers and keep what they are.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest

from dyno import _known_plugins as known

__all__ = ["Inheritance", "end_in_silence"]

# By these a plugin asks whether it is in a worker of pytest-xdist.
_QUESTIONS = frozenset(
    {
        "PYTEST_XDIST_WORKER",
        "get_xdist_worker_id",
        "is_xdist_controller",
        "is_xdist_master",
        "is_xdist_worker",
        "slaveinput",
        "workerinput",
        "workeroutput",
    }
)

# Packages whose plugins are a part of what runs here, not something that runs in it.
_OURS = frozenset({"_pytest", "dyno", "pytest", "xdist"})


class Inheritance:
    """Remembers who registered what, and lets a worker start over."""

    def __init__(self) -> None:
        self._registered: dict[CodeType, list[object]] = {}

    def pytest_plugin_registered(self, plugin: object) -> None:
        frame = sys._getframe(1)
        while frame.f_code.co_name != "pytest_configure":
            if frame.f_back is None:
                return
            frame = frame.f_back
        self._registered.setdefault(frame.f_code, []).append(plugin)

    def start_over(self, session: pytest.Session) -> Iterator[str]:
        """Configure and start what a worker has to. Yields what went wrong."""
        config = session.config
        hooks: Any = config.hook
        # The last registered is called first.
        configures = list(reversed(hooks.pytest_configure.get_hookimpls()))
        again = [hook for hook in configures if _asks(hook.function)]
        _forget(hooks.pytest_unconfigure, {id(hook.plugin) for hook in again})
        _forget(hooks.pytest_terminal_summary, set())
        with _hookspecs_kept(config.pluginmanager):
            for hook in again:
                self._unregister(config, hook.function)
                try:
                    hook.function(*[config] * len(hook.argnames))
                except Exception as error:  # noqa: BLE001 - whatever a plugin raises
                    # Without pytest-xdist nobody has told this one what it asks for.
                    if config.pluginmanager.has_plugin("xdist"):
                        yield f"{hook.plugin_name}: pytest_configure failed in a worker: {error!r}"
        plugins = config.pluginmanager
        start: Any = plugins.subset_hook_caller(
            "pytest_sessionstart",
            [plugin for plugin in plugins.get_plugins() if _stays(plugin)],
        )
        start(session=session)

    def _unregister(self, config: pytest.Config, function: Any) -> None:
        for plugin in self._registered.pop(_code(function), ()):
            if config.pluginmanager.is_registered(plugin):
                config.pluginmanager.unregister(plugin)


def end_in_silence(session: pytest.Session) -> Iterator[str]:
    """What a worker has to do that was not forked: it has been started, and its summary is
    the template's to print."""
    _forget(session.config.hook.pytest_terminal_summary, set())
    yield from ()


@contextlib.contextmanager
def _hookspecs_kept(plugins: Any) -> Iterator[None]:
    """Let a plugin that brings hooks of its own be registered once more."""
    add = plugins.add_hookspecs

    def add_once(specs: object) -> None:
        with contextlib.suppress(ValueError):
            add(specs)

    plugins.add_hookspecs = add_once
    try:
        yield
    finally:
        del plugins.add_hookspecs


def _forget(caller: Any, kept: set[int]) -> None:
    """Let a hook of plugins that are not ours, nor ``kept``, do nothing."""
    for hook in caller.get_hookimpls():
        wraps = hook.wrapper or hook.hookwrapper
        if not wraps and id(hook.plugin) not in kept and not _is_ours(hook.plugin):
            hook.function, hook.argnames = _nothing, ()


def _nothing() -> None:
    pass


def _stays(plugin: object) -> bool:
    return _is_ours(plugin) or known.stays_started(plugin)


def _is_ours(plugin: Any) -> bool:
    name = getattr(plugin, "__name__", None)
    module = name if isinstance(name, str) else type(plugin).__module__
    return module.partition(".")[0] in _OURS


def _code(function: Any) -> CodeType:
    code: CodeType = getattr(function, "__func__", function).__code__
    return code


def _asks(function: Any) -> bool:
    """Whether a function, or one of its module that it may call, asks for a worker."""
    seen: set[CodeType] = set()
    waiting = [getattr(function, "__func__", function)]
    while waiting:
        one = waiting.pop()
        if not isinstance(one, FunctionType) or one.__code__ in seen:
            continue
        seen.add(one.__code__)
        names = set(_words(one.__code__))
        if names & _QUESTIONS:
            return True
        called = (one.__globals__.get(name) for name in names)
        waiting += [
            other
            for other in called
            if isinstance(other, FunctionType) and other.__module__ == one.__module__
        ]
    return False


def _words(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, str):
            yield constant
        elif isinstance(constant, CodeType):
            yield from _words(constant)
