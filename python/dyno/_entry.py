"""What one file of the project did while a collection was recorded."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from typing import Any

from dyno._network import Place

__all__ = ["Entry", "as_text", "candidates", "kind_of"]


class Entry:
    """What one file did."""

    def __init__(self) -> None:
        self.imports: set[str] = set()
        self.asked: set[str] = set()
        self.reads: dict[str, None] = {}
        self.lists: dict[str, None] = {}
        self.looks: dict[str, str] = {}
        self.variables: dict[str, str | None] = {}
        self.binds: dict[Place, bool] = {}
        self.whole_environment = False
        self.uncacheable: dict[str, None] = {}


def as_text(fields: dict[str, Any]) -> dict[str, Any]:
    """The entry as it is sent. Bytes that are no UTF-8 in a path or a value have no place
    in a message, and what depends on them is not kept."""
    if _is_text(fields):
        return fields
    file: str = fields["file"].encode(errors="backslashreplace").decode()
    return {"file": file, "uncacheable": ["depends on a path or a variable that is not UTF-8"]}


def _is_text(value: Any) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in _characters(value))


def _characters(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        if not value.isascii():
            yield from value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _characters(part)
    elif isinstance(value, list):
        for part in value:
            yield from _characters(part)


def kind_of(found: os.stat_result | None) -> str:
    if found is None:
        return "nothing"
    if stat.S_ISREG(found.st_mode):
        return "file"
    return "folder" if stat.S_ISDIR(found.st_mode) else "other"


def candidates(folders: list[str], names: set[str]) -> Iterator[str]:
    for folder in folders:
        try:
            listed = os.listdir(folder)
        except OSError:
            continue
        for name in listed:
            if name.removesuffix(".py") in names:
                yield os.path.join(folder, name)
