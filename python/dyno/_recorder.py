"""A record of what a collection depended on, so that its outcome can be kept.

Watched while a collection runs, and only then: files opened, folders listed, modules
imported and not found (Python's audit events), environment variables (a class set on
``os.environ``), questions whether a path is there (``os.stat`` and its kin), processes and
connections started. What is seen is put down to the files of the project whose code asked,
from the innermost module that is being imported to whoever was called; without any, to the
file that pytest is collecting; without that, to the session.

Not seen: what C code does without Python (a library that reads a file or a variable itself),
the clock asked by a function that no name leads to (`_reach`), and a library that keeps for a
second caller what it read for the first.
``dyno_model::CollectionRecord`` describes the result.
"""

from __future__ import annotations

import contextlib
import functools
import os
import socket
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import _pytest
import pluggy
import pytest

from dyno import _chance, _network, _volatile, _watch
from dyno._draws import Draws
from dyno._entry import Entry, as_text, candidates, kind_of

__all__ = ["Recorder"]

_STDLIB = tuple({sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib", "scripts")})
# The standard library may lie in an archive, which as a rule is not there.
_ARCHIVE = os.path.join(
    sys.base_prefix, sys.platlibdir, "python{}{}.zip".format(*sys.version_info[:2])
)
_SITE_NAMES = ("site-packages", "dist-packages")
# How `ctypes.util` has the libraries of the system listed, and the file that they are listed
# from (`ldconfig(8)`: "Print the lists of directories and candidate libraries stored in the
# current cache").
_LIBRARIES = (["/sbin/ldconfig", "-p"], "/etc/ld.so.cache")
# Their own reading is known: ini file, conftests, cache, assertion rewriting.
_PYTEST = tuple(
    str(Path(folder).parent) + os.sep
    for folder in (_pytest.__file__, pytest.__file__, pluggy.__file__, __file__)
)


class Recorder:
    """Watches from `start` to `stop`. One at a time in a process."""

    def __init__(self) -> None:
        #: The file that pytest is collecting.
        self.collecting = ""
        self._entries: dict[str, Entry] = {}
        self._modules: dict[str, tuple[str, CodeType]] = {}
        self._written: set[str] = set()
        self._made: set[str] = set()
        self._own: dict[str, bool] = {}
        self._roots: tuple[str, ...] = ()
        self._pid = os.getpid()
        self._draws = Draws(self)

    def start(self) -> None:
        self.add_root(os.getcwd())
        _watch.begin(self)
        _chance.begin(self._draws)

    def stop(self) -> None:
        """Stop watching. Also where `start` was not reached, or a second time."""
        self.collects("")
        _watch.end(self)
        _chance.end(self._draws)

    def collects(self, file: str) -> None:
        """Say which file pytest collects from now on."""
        if _chance.changed_unheard():
            self._draws.drew_unheard()
        self.collecting = file

    def paused(self) -> contextlib.AbstractContextManager[None]:
        """Look away."""
        return _watch.paused()

    def add_root(self, folder: str) -> None:
        """Take ``folder`` for the project's, even if it lies among installed packages."""
        prefix = folder.rstrip(os.sep) + os.sep
        if _is_installed(prefix) and prefix not in self._roots:
            self._roots = (*self._roots, prefix)
            self._own.clear()

    def flag(self, file: str, reason: str) -> None:
        """Say that ``file``'s outcome cannot be kept."""
        self._entry(file).uncacheable[reason] = None

    def used_by_session(self, file: str) -> None:
        """Say that the whole collection depends on a module, if it is the project's."""
        if self._is_own(file):
            self._entry("").imports.add(file)

    # What is seen.

    def opened(self, path: Any, flags: int) -> None:
        if flags & os.O_CREAT:
            self.makes(path, sys._getframe(2))
        writes_only = flags & os.O_ACCMODE == os.O_WRONLY or flags & os.O_TRUNC
        if writes_only or (place := self._project_path(path)) is None:
            return
        for entry in self._askers(sys._getframe(2)):
            entry.reads[place] = None

    def listed(self, path: Any) -> None:
        frame = sys._getframe(2)
        if isinstance(path, int):
            for entry in self._askers(frame):
                entry.uncacheable["lists a folder by its descriptor"] = None
        elif (place := self._project_path("." if path is None else path)) is not None:
            for entry in self._askers(frame):
                entry.lists[place] = None

    def makes(self, path: Any, frame: FrameType) -> None:
        """A file or a folder is about to be made, if it is not there: what it then holds
        follows from what made it, and from its not being there."""
        if isinstance(path, int) or (place := self._project_path(path)) is None:
            return
        with self.paused():
            if os.path.lexists(place):
                return
        if frame.f_code.co_filename != tempfile.__file__:  # Names that were never there.
            self.looked(place, None, frame)
        self._made.add(place)

    def looked(self, path: Any, found: os.stat_result | None, frame: FrameType) -> None:
        if isinstance(path, int) or (place := self._project_path(path)) is None:
            return
        for entry in self._askers(frame):
            entry.looks.setdefault(place, kind_of(found))

    def started(self, event: str, args: tuple[Any, ...]) -> None:
        frame = sys._getframe(2)
        asker = frame
        while asker.f_back and asker.f_code.co_filename.endswith(f"{os.sep}subprocess.py"):
            asker = asker.f_back
        if asker.f_code.co_filename.endswith(f"{os.sep}platform.py"):
            return  # `platform` asks the system for its own name.
        if event == "subprocess.Popen" and list(args[1]) == _LIBRARIES[0]:
            for entry in self._askers(frame):
                entry.reads[_LIBRARIES[1]] = None
            return
        self.flag_askers(frame, _watch.UNCACHEABLE[event])

    def bound(self, bound: socket.socket, address: Any) -> None:
        """A socket is about to be bound."""
        frame = sys._getframe(2)
        place = _network.free_place(bound, address)
        if place is None or not _watch.watch_socket(bound):
            self.flag_askers(frame, "binds a socket")
            return
        with self.paused():
            possible = _network.can_be_bound(place)
        for entry in self._askers(frame):
            entry.binds[place] = possible

    def looked_at_socket(self, name: str) -> None:
        self.flag_askers(sys._getframe(2), "looks at a socket's address")

    def asked(self, name: str) -> None:
        """A module that is not there yet is about to be looked for."""
        asker = _first(sys._getframe(2), lambda file: not file.startswith((*_STDLIB, *_PYTEST)))
        if asker is not None and self._is_own(asker):
            self._entry(asker).asked.add(name)

    def executed(self, code: CodeType) -> None:
        """A module's code is about to run."""
        if code.co_name != "<module>" or code.co_filename.startswith("<"):
            return
        frame = sys._getframe(2)
        namespace = _namespace(frame)
        file = namespace.get("__file__")
        if not isinstance(file, str) or not self._is_own(file):
            return
        package = namespace.get("__package__")
        self._modules[file] = (package if isinstance(package, str) else "", code)
        self._entry(file)
        importer = next(self._owners(frame), None)
        if importer is not None and importer != file:
            self._entry(importer).imports.add(file)

    def looked_below_a_descriptor(self) -> None:
        self.flag(self.collecting, "looks below a folder's descriptor")

    def failed(self, error: Exception) -> None:
        self.flag("", f"the record failed: {error!r}")

    def read_variable(self, name: str, value: str | None) -> None:
        if name in self._written:
            return  # The project's own, not the surroundings'.
        for entry in self._askers(sys._getframe(3)):
            entry.variables.setdefault(name, value)

    def read_environment(self) -> None:
        for entry in self._askers(sys._getframe(2)):
            entry.whole_environment = True

    def wrote_variable(self, name: str) -> None:
        self._written.add(name)

    # To whom it is put down.

    def _entry(self, file: str) -> Entry:
        entry = self._entries.get(file)
        if entry is None:
            entry = self._entries[file] = Entry()
        return entry

    def _askers(self, frame: FrameType) -> Iterator[Entry]:
        """Those on whose behalf something is done; nobody where it is pytest's own doing."""
        if os.getpid() != self._pid or frame.f_code.co_filename.startswith("<frozen importlib"):
            return
        first = _first(frame, lambda file: not file.startswith(_STDLIB))
        if first is None or first.startswith(_PYTEST):
            return
        found = False
        for file in self._owners(frame):
            found = True
            yield self._entry(file)
        if not found:
            yield self._entry(self.collecting)

    def flag_askers(self, frame: FrameType, reason: str) -> None:
        """Say that the outcome of those on whose behalf something is done cannot be kept."""
        for entry in self._askers(frame):
            entry.uncacheable[reason] = None

    def importing(self, frame: FrameType) -> FrameType | None:
        """The project's module that is being imported, unless a library's is within it."""
        below: FrameType | None = frame
        while below is not None:
            if below.f_code.co_name == "<module>":
                file = below.f_globals.get("__file__")
                return below if isinstance(file, str) and self._is_own(file) else None
            below = below.f_back
        return None

    def is_import_of_library(self, frame: FrameType) -> bool:
        """Whether a library does something for itself, as it is imported."""
        below: FrameType | None = frame
        while below is not None:
            file = below.f_globals.get("__file__")
            if isinstance(file, str) and self._is_own(file):
                return False
            if below.f_code.co_name == "<module>":
                return True
            below = below.f_back
        return False

    def _owners(self, frame: FrameType) -> Iterator[str]:
        """The project's files whose code runs, up to the innermost that is being imported."""
        seen = set()
        below: FrameType | None = frame
        while below is not None:
            file = below.f_globals.get("__file__")
            if isinstance(file, str) and self._is_own(file):
                if file not in seen:
                    seen.add(file)
                    yield file
                if below.f_code.co_name == "<module>":
                    return
            below = below.f_back

    def _is_own(self, file: str) -> bool:
        own = self._own.get(file)
        if own is None:
            foreign = file.startswith(("<", _ARCHIVE, *_STDLIB, *_PYTEST)) or _is_installed(file)
            own = self._own[file] = not foreign or file.startswith(self._roots)
        return own

    def _project_path(self, path: Any) -> str | None:
        if isinstance(path, int):
            return None
        place = os.path.abspath(os.fsdecode(path))
        if not self._is_own(place) or place.startswith(_SYSTEM) or self._is_made(place):
            return None
        return place

    def _is_made(self, place: str) -> bool:
        """Whether it, or a folder that it is in, was not there before this collection."""
        above = place
        while self._made and above != os.path.dirname(above):
            if above in self._made:
                return True
            above = os.path.dirname(above)
        return False

    # The result.

    def record(self) -> dict[str, Any]:
        """What was seen, as `dyno_model::CollectionRecord`. After `stop`."""
        own = self._own_modules()
        namespaces = {file: vars(sys.modules[name]) for name, file in own.items()}
        names: set[str] = set()
        for file, (package, code) in self._modules.items():
            entry = self._entry(file)
            entry.imports |= _volatile.imported(code, package, own, names) - {file}
            for reason in _volatile.doubts(code, namespaces.get(file, {}), self._is_own):
                entry.uncacheable[reason] = None
        folders = [
            folder
            for folder in dict.fromkeys(os.path.abspath(path) for path in sys.path)
            if self._is_own(folder + os.sep)
        ]
        for entry in self._entries.values():
            names.update(name.partition(".")[0] for name in entry.asked)
        return {
            "of": [self._written_entry(file, entry, own) for file, entry in self._entries.items()],
            "import_folders": folders,
            "import_names": sorted(names),
            "import_candidates": sorted(candidates(folders, names)),
        }

    def _own_modules(self) -> dict[str, str]:
        files = {}
        for name, module in list(sys.modules.items()):
            file = getattr(module, "__file__", None)
            if isinstance(file, str) and self._is_own(file):
                files[name] = file
        return files

    def _written_entry(self, file: str, entry: Entry, own: dict[str, str]) -> dict[str, Any]:
        missing = sorted(name for name in entry.asked if name not in sys.modules)
        looks = dict(entry.looks)
        for name in missing:
            parent, _, last = name.rpartition(".")
            if parent in own:
                place = os.path.join(os.path.dirname(own[parent]), last)
                looks.setdefault(place, "nothing")
                looks.setdefault(f"{place}.py", "nothing")
        fields = {
            "file": file,
            "imports": sorted(entry.imports),
            "missing": missing,
            "reads": list(entry.reads),
            "lists": list(entry.lists),
            "looks": [{"path": path, "found": found} for path, found in looks.items()],
            "variables": [
                {"name": name, "value": value} for name, value in entry.variables.items()
            ],
            "binds": [
                {"address": place.address, "kind": place.kind, "possible": possible}
                for place, possible in entry.binds.items()
            ],
            "whole_environment": entry.whole_environment,
            "uncacheable": list(entry.uncacheable),
        }
        return as_text(fields)


# What the kernel makes up, or what holds no file of a project.
_SYSTEM = ("/proc/", "/sys/", "/dev/")


@functools.cache
def _is_installed(path: str) -> bool:
    return any(f"{os.sep}{name}{os.sep}" in path for name in _SITE_NAMES)


def _first(frame: FrameType, wanted: Callable[[str], bool]) -> str | None:
    """The file of the innermost frame, from ``frame`` outwards, that is wanted."""
    below: FrameType | None = frame
    while below is not None:
        file = below.f_code.co_filename
        if not file.startswith("<") and wanted(file):
            return file
        below = below.f_back
    return None


def _namespace(frame: FrameType) -> dict[str, Any]:
    """The globals of the module whose code is being executed from ``frame``, an importer's."""
    local = frame.f_locals
    arguments = local.get("args")
    if isinstance(arguments, tuple) and len(arguments) > 1 and isinstance(arguments[1], dict):
        return arguments[1]
    return getattr(local.get("module"), "__dict__", {})
