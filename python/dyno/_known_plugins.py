"""Plugins that know neither the hooks of pytest-xdist nor a fork, or not enough of both.

Each has its receipt: the versions that it was read in, and what would be lost.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Generator
from copy import copy
from functools import cached_property
from pickle import dumps, loads
from types import SimpleNamespace
from typing import Any

import pytest

from dyno import _pytest_session as private
from dyno._junit import JunitKeeper, JunitSender

__all__ = [
    "begin_as_template",
    "end_sibling",
    "keep_what_others_measured",
    "loop_scope",
    "prepare_template",
    "prepare_worker",
    "seal",
    "stays_started",
]


def prepare_template(config: pytest.Config) -> None:
    """Before the first worker is forked."""
    _let_coverage_combine(config)
    if _benchmarks(config) is not None:
        config.pluginmanager.register(BenchmarkKeeper(config), "dyno-benchmarks")
    if private.xml_log(config) is not None:
        config.pluginmanager.register(JunitKeeper(config), "dyno-junit")


def prepare_worker(config: Any) -> None:
    """In a worker, before its session starts."""
    _save_coverage_apart(config)
    session = _benchmarks(config)
    if session is not None:
        sender = BenchmarkSender(session, config.workerinput["workercount"])
        _replace(config, "dyno-benchmarks", sender)
    if private.xml_log(config) is not None:
        _replace(config, "dyno-junit", JunitSender(config))


def seal(workerinput: dict[str, Any]) -> None:
    """In a worker, before plugins are configured: if it is behind walls, what they would connect
    to in the controller is not there."""
    reruns: Any = sys.modules.get("pytest_rerunfailures")
    # Read in 16.0 and 16.7 (2026-11). Workers tell the controller what failed, for a worker that
    # takes the place of one that crashed; that is what dyno does by itself.
    if workerinput.get("sealed") and hasattr(reruns, "ClientStatusDB"):
        reruns.ClientStatusDB = lambda *_: reruns.StatusDB()


def loop_scope(item: pytest.Item) -> str | None:
    """The scope of the event loop that a test shares with others, which asked for it too."""
    # pytest-asyncio. Read in 1.2 and 1.5 (2026-11). The fixture behind it is a test's only
    # when that is set up.
    if type(item).__module__ != "pytest_asyncio.plugin":
        return None
    try:
        scope: str = item._loop_scope  # type: ignore[attr-defined]
    except Exception:  # noqa: BLE001 - the test will fail of it, and says what is wrong
        return None
    return scope


def _replace(config: pytest.Config, name: str, plugin: object) -> None:
    """Put a plugin in the place of what a template has by this name, if it is forked of one."""
    if config.pluginmanager.has_plugin(name):
        config.pluginmanager.unregister(name=name)
    config.pluginmanager.register(plugin, name)


# Those that `prepare_worker` makes a worker's of a template's.
_TEMPLATES = frozenset({"_pytest.junitxml", "pytest_benchmark.plugin", "pytest_cov.plugin"})


def begin_as_template(config: pytest.Config) -> None:
    """In a worker that is no fork, before plugins are configured: let begin as in a template
    what `prepare_worker` finds so in a fork."""
    hooks: Any = config.hook
    for caller in (hooks.pytest_configure, hooks.pytest_sessionstart):
        for hook in caller.get_hookimpls():
            plugin = hook.plugin
            if getattr(plugin, "__name__", type(plugin).__module__) in _TEMPLATES:
                hook.function = _outside_a_worker(hook.function, config)


def _outside_a_worker(function: Callable[..., Any], config: Any) -> Callable[..., Any]:
    def call(*args: Any) -> Any:
        names = [name for name in os.environ if name.startswith("PYTEST_XDIST_")]
        variables = {name: os.environ.pop(name) for name in names}
        workerinput = vars(config).pop("workerinput", None)
        try:
            return function(*args)
        finally:
            os.environ.update(variables)
            if workerinput is not None:
                config.workerinput = workerinput

    return call


def end_sibling(config: pytest.Config) -> None:
    """At the end of a template whose session ends elsewhere."""
    if _save_coverage_apart(config):
        _coverage(config).finish()


def stays_started(plugin: object) -> bool:
    """Whether its session started in the template and goes on in the worker."""
    # pytest-cov would start to measure anew, and ask for what its `DistMaster` alone tells.
    return _is(plugin, "pytest_cov.plugin", "CovPlugin")


def _is(plugin: object, module: str, name: str) -> bool:
    return (type(plugin).__module__, type(plugin).__name__) == (module, name)


# pytest-cov. Read in 4.1, 5.0, 6.0, 6.3, 7.0 and 7.1 (2026-11).
#
# Measuring starts in the template before anything is imported, with the controller of a
# session without workers (`Central`), and goes on in a fork by itself: coverage.py gives a
# fork a data file of its own. At the end `Central` puts all data files into one and reports.
# In a worker that would take away the others' files half written, so there it becomes the
# controller of a worker (`DistWorker`), which saves its own and reports nothing.


def _coverage(config: pytest.Config) -> Any:
    plugin = config.pluginmanager.get_plugin("_cov")
    return getattr(plugin, "cov_controller", None)


def _let_coverage_combine(config: pytest.Config) -> None:
    controller = _coverage(config)
    if controller is None:
        return
    # What only its workers run is no reason to warn, as in `DistMaster.start`.
    controller.cov._warn_no_data = False
    controller.cov._warn_unimported_source = False
    controller.cov._warn_preimported_source = False

    def node_is_down(node: Any, _error: object) -> None:
        if "cov_worker_node_id" not in getattr(node, "workeroutput", {}):
            controller.failed_workers.append(node)

    # `CovPlugin` hands these on to a controller that it takes for a `DistMaster`.
    controller.configure_node = lambda _node: None
    controller.testnodedown = node_is_down


def keep_what_others_measured(early_config: pytest.Config) -> None:
    """Before a worker that is no fork starts to measure."""
    options = early_config.known_args_namespace
    if hasattr(options, "cov_append"):
        # `Central` would erase all data files.
        options.cov_append = True


def _save_coverage_apart(config: Any) -> bool:
    controller = _coverage(config)
    if controller is None:
        return False
    for name in ("configure_node", "testnodedown"):
        vars(controller).pop(name, None)
    _name_data_apart(controller.cov)
    # Up to 6.3 it measures anew in a test whose process is not the session's.
    config.pluginmanager.get_plugin("_cov").pid = os.getpid()
    engine: Any = sys.modules[type(controller).__module__]
    controller.__class__ = engine.DistWorker
    controller.is_collocated = True
    if not hasattr(config, "workeroutput"):
        config.workeroutput = {}
    controller.config = config
    controller.nodeid = getattr(config, "workerinput", {}).get("workerid")
    return True


def _name_data_apart(coverage: Any) -> None:
    """Give a fork's data file a name of its own (``CoverageData._suffix``).

    coverage.py does, except where it was told a name, as pytest-cov 6.0 to 6.3 do.
    """
    data: Any = getattr(coverage, "_data", None)
    suffix = getattr(data, "_suffix", None)
    if isinstance(suffix, str):
        data._suffix = f"{suffix}.{os.getpid()}"


# pytest-benchmark. Read in 4.0, 5.1 and 5.3 (2026-11).
#
# Under pytest-xdist it measures nothing. Here it does not notice that there are workers, and
# measures; its table and its files are made of what one session has measured, so a worker
# hands its share over with each test's last report.

_MEASURED = "_dyno_benchmarks"


def _benchmarks(config: pytest.Config) -> Any:
    session = getattr(config, "_benchmarksession", None)
    return session if hasattr(session, "benchmarks") else None


class BenchmarkSender:
    """In a worker: puts what was measured into the reports."""

    def __init__(self, session: Any, workers: int) -> None:
        self._session = session
        self._workers = workers
        # The template tells of what all have measured.
        session.finish = lambda: None

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, call: Any) -> Generator[None, Any, Any]:
        report = yield
        measured = self._session.benchmarks
        if call.when == "teardown" and measured:
            sent = [dumps(_sendable(one)) for one in measured]
            setattr(report, _MEASURED, (self._workers, sent))
            measured.clear()
        return report


class BenchmarkKeeper:
    """In the template: takes it out of the reports, and keeps it in the tests' order."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._disturbed = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(self, report: Any) -> None:
        workers, measured = vars(report).pop(_MEASURED, (0, ()))
        if measured:
            kept = _benchmarks(self._config).benchmarks
            kept.extend(loads(one) for one in measured)
            kept.sort(key=lambda one: self._order.get(one.fullname, len(self._order)))
            self._disturbed += len(measured) if workers > 1 else 0

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        if self._disturbed:
            terminalreporter.write_line(
                f"{self._disturbed} of the benchmarks were measured beside other tests, which "
                "disturbs the figures; -n 1 measures one at a time",
                yellow=True,
            )

    @cached_property
    def _order(self) -> dict[str, int]:
        session: Any = self._config.pluginmanager.get_plugin("session")
        return {item.nodeid: place for place, item in enumerate(session.items)}


def _sendable(measured: Any) -> Any:
    """A copy of a ``Metadata`` without what no other process can use."""
    sent = copy(measured)
    sent.fixture = SimpleNamespace(has_error=measured.has_error)
    if sent.cprofile_stats:
        sent.cprofile_stats = copy(sent.cprofile_stats)
        sent.cprofile_stats.stream = None
    vars(sent).update({name: _plain(value) for name, value in vars(sent).items()})
    return sent


def _plain(value: Any) -> Any:
    """The value, or what shows as it does where it cannot leave its process."""
    with contextlib.suppress(Exception):
        dumps(value)
        return value
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    return _Shown(value)


class _Shown:
    """Stands for an object whose name or text is all that a report needs."""

    def __init__(self, value: object) -> None:
        self.__name__ = getattr(value, "__name__", str(value))
        self._text = repr(value)

    def __repr__(self) -> str:
        return self._text

    def __call__(self) -> None:
        raise TypeError(f"{self._text} is in another process, {os.getpid()} has its name")
