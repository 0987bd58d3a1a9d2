"""A pytest plugin that writes down what was collected, for comparison with dyno.

It shares nothing with dyno but what the published format says: a marker's arguments are
``repr``, shortened by ``reprlib`` with these limits. ``RECORD_TO`` names the file to write:
JSON lines, first one per collected item as collected, then one with the final order.
``RECORD_OUTCOMES`` names another, for what became of each test: node id to phases. With
``RECORD_BACKWARDS`` the tests run in the opposite order.
"""

from __future__ import annotations

import json
import os
import reprlib
from typing import Any

import pytest

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 300
_SHORT.maxlist = _SHORT.maxtuple = _SHORT.maxdict = _SHORT.maxset = 50


def _markers(item: pytest.Item) -> list[dict[str, Any]]:
    return [
        {
            "name": mark.name,
            "args": [_SHORT.repr(arg) for arg in mark.args],
            "kwargs": [
                {"name": name, "value": _SHORT.repr(value)} for name, value in mark.kwargs.items()
            ],
        }
        for mark in item.iter_markers()
        if mark.name != "parametrize"
    ]


def _fixtures(item: pytest.Item) -> list[dict[str, Any]]:
    info = getattr(item, "_fixtureinfo", None)
    if info is None:
        return []
    return [
        {"name": name, "scope": definitions[-1].scope if definitions else None}
        for name in getattr(item, "fixturenames", [])
        for definitions in [info.name2fixturedefs.get(name)]
    ]


class _Recorder:
    def __init__(self, path: str) -> None:
        self.path = path
        self.items: list[dict[str, Any]] = []
        self.collected: list[pytest.Item] = []
        self.failed: list[str] = []
        self.why: list[str] = []

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.outcome != "passed":
            self.failed.append(report.nodeid)
            self.why.append(report.longreprtext)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        self.collected = list(items)

    @pytest.hookimpl(trylast=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        places = {id(item): place for place, item in enumerate(self.collected)}
        with open(self.path, "w", encoding="utf-8", errors="surrogatepass") as file:
            for item in self.collected:
                told = {
                    "id": item.nodeid,
                    "file": item.nodeid.partition("::")[0],
                    "line": item.location[1],
                    "markers": _markers(item),
                    "fixtures": _fixtures(item),
                }
                file.write(json.dumps(told) + "\n")
            # Items are told apart by place: an id may stand for several.
            ids = [item.nodeid for item in session.items]
            order = [places.get(id(item)) for item in session.items]
            end = {"ids": ids, "order": order, "failed": self.failed, "why": self.why}
            file.write(json.dumps(end) + "\n")


class _Outcomes:
    def __init__(self, path: str) -> None:
        self.path = path
        self.phases: dict[str, list[str]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        said = report.outcome + (" (xfail)" if hasattr(report, "wasxfail") else "")
        self.phases.setdefault(report.nodeid, []).append(f"{report.when} {said}")

    def pytest_sessionfinish(self) -> None:
        with open(self.path, "w", encoding="utf-8", errors="surrogatepass") as file:
            json.dump(self.phases, file)


class _Backwards:
    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items.reverse()


def pytest_configure(config: pytest.Config) -> None:
    path = os.environ.get("RECORD_TO")
    if path:
        config.pluginmanager.register(_Recorder(path), "parity-recorder")
    path = os.environ.get("RECORD_OUTCOMES")
    if path and "PYTEST_XDIST_WORKER" not in os.environ:
        config.pluginmanager.register(_Outcomes(path), "parity-outcomes")
    if os.environ.get("RECORD_BACKWARDS"):
        config.pluginmanager.register(_Backwards(), "parity-backwards")
