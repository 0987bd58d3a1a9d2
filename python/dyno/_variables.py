"""The variables that are set while a test runs, and those who have read one of them on import."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from typing import Any, NamedTuple

__all__ = ["Before", "restore_variables", "set_variables"]

_OFFLINE = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")

#: Modules that read the variables once, and the flag that each keeps: huggingface_hub (read in
#: 0.36 and 2.4, 2026-11), and transformers up to 4, which copies that flag.
_FLAGS = {
    "huggingface_hub.constants": "HF_HUB_OFFLINE",
    "transformers.utils.hub": "_is_offline_mode",
}


class Before(NamedTuple):
    """What was in force before a test."""

    variables: dict[str, str | None]
    #: By module.
    flags: dict[str, object]


_NOTHING = Before({}, {})


def set_variables(variables: Mapping[str, str]) -> Before:
    """Set variables for a test. Gives what `restore_variables` puts back."""
    if not variables:
        return _NOTHING
    before = Before({name: os.environ.get(name) for name in variables}, {})
    os.environ.update(variables)
    if any(name in variables for name in _OFFLINE):
        for name, flag in _FLAGS.items():
            module = sys.modules.get(name)
            if module is not None and hasattr(module, flag):
                before.flags[name] = getattr(module, flag)
                setattr(module, flag, _is_offline())
        _forget_sessions()
    return before


def restore_variables(before: Before) -> None:
    """Put back what was in force before a test."""
    for name, value in before.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    if any(name in before.variables for name in _OFFLINE):
        for name, flag in _FLAGS.items():
            module = sys.modules.get(name)
            if module is not None and hasattr(module, flag):
                # One that the test itself imported has read what held for the test.
                setattr(module, flag, before.flags.get(name, _is_offline()))
        _forget_sessions()


def _is_offline() -> bool:
    # As huggingface_hub reads them.
    value = os.environ.get("HF_HUB_OFFLINE") or os.environ.get("TRANSFORMERS_OFFLINE") or ""
    return value.upper() in ("1", "ON", "YES", "TRUE")


def _forget_sessions() -> None:
    """Let huggingface_hub up to 0.36 make its sessions anew: each keeps the flag that held when it
    was made."""
    http: Any = sys.modules.get("huggingface_hub.utils._http")
    reset = getattr(http, "reset_sessions", None)
    if reset is not None:
        reset()
