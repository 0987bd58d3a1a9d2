"""Several templates that share the import of the test files.

Before anything is collected the template forks siblings. All of them walk the same tree;
who comes to a file first *claims* it and imports it, and to the others it is an empty
module. Claims are locks on the bytes of a file in memory, which the kernel lets go with
their process. When each has collected its part, the modules that one has imported for its
files are imported by the others too, so that tests find what they find where one process
imports everything.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import os
import sys
import types
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any

import pytest

from dyno import _pytest_private as private
from dyno import _reports
from dyno._fork_guard import hazards
from dyno._pruning import leave_root_behind, needed_modules
from dyno._pytest_streams import captured

__all__ = ["Claims", "Sharing", "can_share", "import_modules", "tell_of_others"]


# What the import of a module may raise that does not end pytest.
_OF_AN_IMPORT = (Exception, pytest.skip.Exception, pytest.fail.Exception)


def can_share(config: pytest.Config, xdist_workers: object) -> bool:
    """Whether what pytest was told lets tests be collected in several processes.

    ``xdist_workers`` is what pytest-xdist's ``-n`` said.
    """
    option = config.option
    one_process = (
        option.collectonly
        or option.usepdb
        or option.trace
        # Whoever counts failures counts those of collection too, as they come.
        or option.maxfail
        or xdist_workers in (0, 1)
        # A part of a file is named, which pytest looks for in each process.
        or any("::" in arg for arg in config.args)
        # What a fork does not survive is there already.
        or hazards()
    )
    return not one_process and config.rootpath not in set(needed_modules(config))


class Claims:
    """Which process imports which file. Made before the fork."""

    def __init__(self, files: Iterable[str]) -> None:
        self._places = {path: place for place, path in enumerate(files)}
        self._locks = os.memfd_create("dyno-claims")

    def __contains__(self, path: str) -> bool:
        return path in self._places

    def claim(self, path: str) -> bool:
        """Whether this process is the one to import ``path``: the first that asks."""
        try:
            fcntl.lockf(self._locks, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, self._places[path])
        except OSError:
            return False
        return True


class Sharing:
    """The pytest plugin of one of the processes. ``sibling``: it is not the first."""

    def __init__(
        self, config: pytest.Config, claims: Claims, everywhere: Iterable[str], *, sibling: bool
    ) -> None:
        self._config = config
        self._claims = claims
        self._everywhere = frozenset(everywhere)
        self._sibling = sibling
        # What pytest's cache holds of a file is replaced by what the file then holds.
        self._kept = frozenset(map(str, needed_modules(config)))
        self._own: set[str] = set()
        self._before = frozenset(sys.modules)
        #: What could not be collected, or skipped itself, in a sibling: packed.
        self.reports: list[str] = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_collectstart(self, collector: pytest.Collector) -> None:
        if not isinstance(collector, pytest.Module):
            return
        path = str(collector.path)
        if self._is_own(path):
            self._own.add(path)
        elif self._sibling and path in self._everywhere:
            _instead(collector, lambda: _import_only(collector))
        else:
            private.set_object(collector, types.ModuleType(collector.path.stem))
            _instead(collector, lambda: leave_root_behind(self._config, collector.path))

    def _is_own(self, path: str) -> bool:
        if path in self._kept or path not in self._claims:
            return not self._sibling
        return self._claims.claim(path)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if self._sibling:
            # Text files, and what plugins make of files, are the first's.
            items[:] = [item for item in items if str(item.path) in self._own]

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if self._sibling and not report.passed and report.nodeid:
            self.reports.append(_reports.pack(self._config, report))

    def part(self) -> dict[str, Any]:
        """What a sibling tells of its part besides its tests (`dyno_wire::template::Part`)."""
        return {"reports": self.reports, "modules": self.modules()}

    def modules(self) -> list[str]:
        """The modules that came with the files, in the order in which their import began."""
        return [
            name for name, module in list(sys.modules.items()) if self._is_brought(name, module)
        ]

    def _is_brought(self, name: str, module: object) -> bool:
        if name in self._before or not isinstance(module, types.ModuleType):
            return False
        # A test file is its owner's, whoever else imported it.
        return getattr(module, "__file__", None) not in self._own


def _instead(collector: pytest.Collector, do: Callable[[], None]) -> None:
    """Let a module hold nothing, and ``do`` happen when it is collected."""

    def collect() -> Iterator[pytest.Item]:
        do()
        return iter(())

    setattr(collector, "collect", collect)  # noqa: B010 - a method of this one object


def _import_only(module: pytest.Module) -> None:
    """Import a module for what that changes. What is wrong with it, its owner tells."""
    with contextlib.suppress(*_OF_AN_IMPORT):
        module.obj  # noqa: B018 - reading it imports


def import_modules(config: pytest.Config, names: Collection[str]) -> None:
    """Import what another template has imported."""
    missing = [name for name in names if name not in sys.modules]
    if not missing:
        return
    with captured(config), warnings.catch_warnings():
        # The other one has told of them.
        warnings.simplefilter("ignore")
        for name in missing:
            # One that was put there by other means than an import is not found.
            with contextlib.suppress(*_OF_AN_IMPORT):
                importlib.import_module(name)


def tell_of_others(session: pytest.Session, message: dict[str, Any]) -> None:
    """Let the first template's pytest know of what its siblings collected."""
    config = session.config
    private.count_others(config, len(message["tests"]), message["deselected"])
    private.remember_nodes(config, [test["id"] for test in message["tests"]])
    for packed in message["reports"]:
        report = _reports.unpack(config, packed)
        report.result = []
        config.hook.pytest_collectreport(report=report)
