"""What a collection holds, in the words of `dyno_model::RealCollection`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from types import ModuleType
from typing import Any

import pytest

from dyno import _pytest_private as private
from dyno import _reports
from dyno._pruning import UnimportedModule
from dyno._recorder import Recorder

__all__ = ["Collection"]


class Collection:
    """The pytest plugin that watches a collection and tells of it once, at its end.

    Where the collection does not come to an end (a wrong argument, a broken conftest)
    nothing is told. ``recorder`` is stopped when pytest has all items.
    """

    def __init__(self, recorder: Recorder, tell: Callable[[dict[str, Any]], None]) -> None:
        self._recorder = recorder
        self._tell = tell
        self._keys = _reports.ParamKeys()
        self._collected: list[pytest.Item] = []
        self._seen: list[pytest.Item | pytest.File] = []
        self._files: list[dict[str, Any]] = []
        self._tests: list[dict[str, Any]] | None = None
        self._complete = False
        self._failures: list[dict[str, Any]] = []
        self._skips: list[dict[str, Any]] = []
        self._conftests: list[str] = []
        self._deselected = 0
        self._config: pytest.Config

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self._config = config
        self._recorder.add_root(str(config.rootpath))

    def pytest_plugin_registered(self, plugin: object, manager: pytest.PytestPluginManager) -> None:
        module = plugin if isinstance(plugin, ModuleType) else _module_of(plugin)
        file = getattr(module, "__file__", None)
        if not isinstance(file, str):
            return
        # A conftest is registered by its path; an installed plugin may be one, by a name.
        if plugin is module and manager.get_name(plugin) == file:
            self._conftests.append(file)
        else:
            self._recorder.used_by_session(file)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self, collector: pytest.Collector
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        file = private.file_of(collector)
        if file is None:
            return (yield)
        before = self._recorder.collecting
        self._recorder.collects(str(file.path))
        try:
            return (yield)
        finally:
            if collector is file and not isinstance(file, UnimportedModule):
                self._seen.append(file)
            self._recorder.collects(before)

    def pytest_itemcollected(self, item: pytest.Item) -> None:
        self._collected.append(item)
        self._seen.append(item)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._failures.append(_reports.collect_failure(self._config, report))
        elif report.skipped:
            skip = _reports.collect_skip(self._config, report)
            self._skips.append({"node": report.nodeid, "skip": skip})

    def pytest_deselected(self, items: list[pytest.Item]) -> None:
        self._deselected += len(items)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        # Conftests of subfolders come later, and their hooks before this place.
        private.before_marks_are_read(self._config, self._look)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self) -> None:
        self._complete = True

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self._recorder.stop()
        if self._complete:
            self._look()
            self._tell(self._result(session))

    def _look(self) -> None:
        """Put the tests into words: once, as they are now."""
        if self._tests is None:
            with self._recorder.paused():
                self._tests = [_reports.test(item, self._keys) for item in self._collected]

    def _result(self, session: pytest.Session) -> dict[str, Any]:
        tests = self._tests or []
        places: dict[int, int] = {}
        for place, item in enumerate(self._collected):
            places.setdefault(id(item), place)
        self._put_all(tests)
        late: list[dict[str, Any]] = []
        for item in session.items:
            if id(item) not in places:
                places[id(item)] = len(tests) + len(late)
                late.append(_reports.test(item, self._keys))
        return {
            "files": self._files,
            "order": [places[id(item)] for item in session.items],
            "late": late,
            "deselected": self._deselected,
            "failures": self._failures,
            "skips": self._skips,
            "conftests": self._conftests,
            "record": self._recorder.record(),
        }

    def _put_all(self, tests: list[dict[str, Any]]) -> None:
        """Each test into the entry of its file, in the order of collection."""
        owners = [private.file_of(item) or item.parent for item in self._collected]
        having = set(map(id, owners))
        left = iter(zip(owners, tests, strict=True))
        last: Any = None
        for node in self._seen:
            if isinstance(node, pytest.File):
                if id(node) not in having:
                    self._files.append(_file(node))
                continue
            owner, test = next(left)
            if owner is not last:
                last = owner
                self._files.append(_file(owner))
            self._files[-1]["tests"].append(test)


def _module_of(plugin: object) -> ModuleType | None:
    kind = plugin if isinstance(plugin, type) else type(plugin)
    return sys.modules.get(kind.__module__)


def _file(owner: Any) -> dict[str, Any]:
    kind = type(owner)
    return {
        "file": owner.nodeid,
        "path": str(owner.path),
        "collector": f"{kind.__module__}.{kind.__qualname__}",
        "tests": [],
    }
