"""Where the ``dyno`` command is."""

from __future__ import annotations

import os
import shutil
import sysconfig

__all__ = ["NoCommand", "dyno_command"]


class NoCommand(Exception):
    """There is no ``dyno`` command to be found."""


def dyno_command() -> str:
    """The ``dyno`` command: ``DYNO_BINARY``, else the environment's own, else PATH's."""
    named = os.environ.get("DYNO_BINARY")
    if named:
        if not os.access(named, os.X_OK):
            raise NoCommand(f"DYNO_BINARY names {named}, which is no program")
        return named
    installed = os.path.join(sysconfig.get_path("scripts"), "dyno")
    if os.access(installed, os.X_OK):
        return installed
    found = shutil.which("dyno")
    if found is None:
        raise NoCommand(
            f"the dyno command is neither {installed} nor on PATH: "
            "install the dyno wheel, or set DYNO_BINARY"
        )
    return found
