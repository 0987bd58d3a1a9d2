"""Who draws random numbers, and whether they follow from a seed of the module's own."""

from __future__ import annotations

import dis
from types import CodeType, FrameType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dyno._recorder import Recorder

__all__ = ["Draws"]

_IMPORTS = {dis.opmap[name] for name in ("IMPORT_NAME", "IMPORT_STAR") if name in dis.opmap}


class Draws:
    """Puts random numbers down to the files of the project that draw them.

    A library that draws as it is imported does so for itself. A module that seeds the
    generator with a plain value and then draws in its own import, with no import between
    that could draw for itself, gets the same numbers each time.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        # The module that seeded last, and where in its code it was.
        self._seeded: tuple[CodeType, int] | None = None

    def drew(self, frame: FrameType) -> None:
        seeded = self._seeded
        importing = self._recorder.importing(frame)
        if importing is not None and seeded is not None and _is_between(*seeded, importing):
            return
        self._seeded = None
        if not self._recorder.is_import_of_library(frame):
            self._recorder.flag_askers(frame, "draws random numbers")

    def seeded(self, frame: FrameType) -> None:
        importing = self._recorder.importing(frame)
        self._seeded = None if importing is None else (importing.f_code, importing.f_lasti)

    def drew_unheard(self) -> None:
        self._seeded = None
        self._recorder.flag(self._recorder.collecting, "draws or seeds random numbers")


def _is_between(code: CodeType, start: int, frame: FrameType) -> bool:
    """Whether ``frame`` runs that code, and imported nothing since."""
    if frame.f_code is not code or frame.f_lasti < start:
        return False
    operations = code.co_code[start : frame.f_lasti : 2]
    return _IMPORTS.isdisjoint(operations)
