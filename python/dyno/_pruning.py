"""Test modules that are not imported, because no test in them is wanted.

The file stays a node of the tree, so folders, conftests, other plugins' collectors and
explicit arguments are as they were; only its module is an empty one. Where nobody but
pytest itself looks at nodes of files, one such node a folder is enough, and the others are
passed over, which is most of the time that a large tree takes. What pytest's own cache
says of such a file stays too.
"""

from __future__ import annotations

import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from dyno import _pytest_private as private

__all__ = ["Pruning", "UnimportedModule", "leave_root_behind", "needed_modules"]


# Hooks that make nodes of files, or are called for each.
_OF_FILES = (
    "pytest_collect_file",
    "pytest_collectreport",
    "pytest_collectstart",
    "pytest_make_collect_report",
    "pytest_pycollect_makemodule",
)


class UnimportedModule(pytest.Module):
    """A test module that counts as empty and is not imported."""

    def __init__(self, *, dyno_collected: Callable[[], None], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._dyno_collected = dyno_collected

    def _getobj(self) -> types.ModuleType:
        # Some plugins look at every module's object when its collection starts.
        return types.ModuleType(self.path.stem)

    def collect(self) -> Iterator[pytest.Item]:
        self._dyno_collected()
        return iter(())


class Pruning:
    """The pytest plugin that says for each test module whether it is imported.

    ``is_pruned`` is asked for every path; ``deselected`` tells how many tests of a pruned
    file count as deselected. ``remembers`` is whether pytest's cache will be written.
    """

    def __init__(
        self,
        is_pruned: Callable[[str], bool],
        deselected: Callable[[str], int] = lambda _: 0,
        *,
        remembers: bool = True,
    ) -> None:
        self._is_pruned = is_pruned
        self._deselected = deselected
        self._remembers = remembers
        self._kept: set[Path] | None = None
        self._folders: set[Path] = set()
        self._watched: tuple[int, bool] = (-1, True)
        #: How many tests were not made that would have been deselected.
        self.count = 0

    @pytest.hookimpl(tryfirst=True)
    def pytest_pycollect_makemodule(
        self, module_path: Path, parent: pytest.Collector
    ) -> pytest.Module | None:
        if not self._leaves_out(module_path, parent.config):
            return None
        self._folders.add(module_path.parent)
        module: pytest.Module = UnimportedModule.from_parent(
            parent, path=module_path, dyno_collected=lambda: self._collected(parent, module_path)
        )
        return module

    @pytest.hookimpl(trylast=True)
    def pytest_ignore_collect(self, collection_path: Path, config: pytest.Config) -> bool | None:
        # The first of a folder has left behind what all would, or will in its turn.
        if (
            collection_path.parent not in self._folders
            or collection_path.suffix != ".py"
            or self._is_watched(config)
            or not self._leaves_out(collection_path, config)
        ):
            return None
        # pytest also lists folders on the way to what it was asked for.
        if private.is_below_arguments(config, collection_path):
            self.count += self._deselected(str(collection_path))
        return True

    def _leaves_out(self, path: Path, config: pytest.Config) -> bool:
        if not self._is_pruned(str(path)):
            return False
        if self._kept is None:
            self._kept = set(needed_modules(config, remembers=self._remembers))
            if config.pluginmanager.has_plugin("_cov"):
                # pytest-cov measures what an import runs, too.
                self._kept.add(config.rootpath)
        return config.rootpath not in self._kept and path not in self._kept

    def _is_watched(self, config: pytest.Config) -> bool:
        """Whether somebody else makes, or looks at, nodes of files."""
        if config.option.doctestmodules:
            return True
        hooks = [getattr(config.hook, name).get_hookimpls() for name in _OF_FILES]
        implementations = sum(map(len, hooks))
        if self._watched[0] != implementations:
            modules = (getattr(one.function, "__module__", "") for hook in hooks for one in hook)
            watched = any(not module.startswith(("_pytest.", "dyno.")) for module in modules)
            self._watched = (implementations, watched)
        return self._watched[1]

    def _collected(self, parent: pytest.Collector, path: Path) -> None:
        leave_root_behind(parent.config, path)
        self.count += self._deselected(str(path))

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config) -> None:
        private.count_deselected(config, self.count)


def leave_root_behind(config: pytest.Config, path: Path) -> None:
    """Leave behind what the import would have left for others: its folder in `sys.path`."""
    mode = config.getoption("importmode")
    if mode == "importlib":
        return
    root = str(private.import_root(config, path))
    if mode == "append" and root not in sys.path:
        sys.path.append(root)
    elif mode == "prepend" and root != sys.path[0]:
        sys.path.insert(0, root)


def needed_modules(config: pytest.Config, *, remembers: bool = True) -> Iterator[Path]:
    """Modules that must be imported whoever says otherwise; the root folder means all.

    ``remembers`` is whether pytest's cache will be written.
    """
    option = config.option
    # With these pytest decides by what it has collected, or by how many there are.
    if getattr(option, "lf", False) or getattr(option, "stepwise", False):
        yield config.rootpath
    for arg in config.args:
        file, separator, _ = arg.partition("::")
        if separator:
            # A test is named: without it pytest would say that it is not found.
            yield config.rootpath if option.pyargs else _absolute(config, file)
    if remembers:
        yield from _remembered(config)


def _remembered(config: pytest.Config) -> Iterator[Path]:
    """Modules whose place in pytest's cache follows from what they hold."""
    cache = getattr(config, "cache", None)
    if cache is None:
        return
    # pytest keeps a failed test until it passes, but replaces a file or a class that could
    # not be collected by what it then holds. Tests it has seen are in `nodeids`.
    tests = set(cache.get("cache/nodeids", []))
    for node in cache.get("cache/lastfailed", {}):
        if node not in tests:
            yield config.rootpath / node.partition("::")[0]


def _absolute(config: pytest.Config, file: str) -> Path:
    return Path(os.path.abspath(config.invocation_params.dir / file))
