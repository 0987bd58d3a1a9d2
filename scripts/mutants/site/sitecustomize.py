"""Changes the text of one module when it is imported: Python imports this file at its start.

What is changed is in `DYNO_BREAKAGE_SOURCE`, as JSON: the module, the text that must be there
exactly once, and what stands instead.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import CodeType, ModuleType
from typing import Any

__all__: list[str] = []


class _Broken(SourceFileLoader):
    """Loads the module from its text, changed; what was compiled before is not looked at."""

    def __init__(self, module: str, path: str, old: str, new: str) -> None:
        super().__init__(module, path)
        self._old, self._new = old, new

    def get_code(self, fullname: str) -> CodeType:
        text = self.get_data(self.path).decode()
        if text.count(self._old) != 1:
            raise ImportError(f"{fullname} has {text.count(self._old)} times: {self._old}")
        code: Any = self.source_to_code(text.replace(self._old, self._new).encode(), self.path)
        assert isinstance(code, CodeType)
        return code


class _Finder(MetaPathFinder):
    """Finds the one module, and leaves all others to those who come after."""

    def __init__(self, module: str, old: str, new: str) -> None:
        self._module, self._old, self._new = module, old, new

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._module:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.origin is not None:
            spec.loader = _Broken(fullname, spec.origin, self._old, self._new)
        return spec


if "DYNO_BREAKAGE_SOURCE" in os.environ:
    sys.meta_path.insert(0, _Finder(**json.loads(os.environ["DYNO_BREAKAGE_SOURCE"])))
