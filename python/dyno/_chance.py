"""Lets a listener hear who draws from the random numbers that all modules share.

The functions of ``random`` are methods of one hidden instance. Its class gets ears, and so
do the functions that C code gives straight away. Whoever kept one of those has one that does
nothing more, once nobody listens. What is drawn by those that were kept from before shows in
the generator's state.
"""

from __future__ import annotations

import _random
import random
import sys
from types import FrameType
from typing import Any, Protocol

__all__ = ["Listener", "begin", "changed_unheard", "end", "is_shared"]


class Listener(Protocol):
    """What is told, with the frame that called."""

    def drew(self, frame: FrameType) -> None: ...
    def seeded(self, frame: FrameType) -> None:
        """The generator's state now follows from a plain value."""

    def drew_unheard(self) -> None: ...


_SHARED: Any = vars(random)["_inst"]
_PLAIN: Any = type(_SHARED)
_NAMES = ("random", "getrandbits", "seed", "setstate")
_current: Listener | None = None
_originals: dict[str, Any] = {}
# The generator's state after what was heard last.
_heard: object = None


class _Watched(_PLAIN):  # type: ignore[misc]
    # No `super()`: the instance is of its own class again when nobody listens.
    __slots__ = ()

    def random(self) -> Any:
        _look(self)
        return _told("drew", self, _random.Random.random(self))

    def getrandbits(self, k: int, /) -> Any:
        _look(self)
        return _told("drew", self, _random.Random.getrandbits(self, k))

    def seed(self, a: Any = None, version: int = 2) -> None:
        _look(self)
        is_plain = type(a) in (int, float, str, bytes)
        _PLAIN.seed(self, a, version)
        _told("seeded" if is_plain else "drew", self, None)

    def setstate(self, state: Any) -> None:
        _look(self)
        _PLAIN.setstate(self, state)
        _told("drew", self, None)


for _name in ("__name__", "__qualname__", "__module__", "__doc__"):
    setattr(_Watched, _name, getattr(_PLAIN, _name))


def _look(generator: object) -> None:
    if _current is not None and generator is _SHARED and changed_unheard():
        _current.drew_unheard()


def _told(what: str, generator: Any, result: Any) -> Any:
    global _heard
    if _current is not None and generator is _SHARED:
        getattr(_current, what)(sys._getframe(2))
        _heard = _SHARED.getstate()
    return result


def is_shared(function: object) -> bool:
    """Whether it is a function of ``random`` that draws from what all share."""
    return getattr(function, "__self__", None) is _SHARED


def begin(listener: Listener) -> None:
    global _current, _heard
    if type(_SHARED) is _PLAIN and not _originals:
        _SHARED.__class__ = _Watched
        for name in _NAMES:
            _originals[name] = getattr(random, name)
            setattr(random, name, getattr(_SHARED, name))
    _current, _heard = listener, _SHARED.getstate()


def end(listener: Listener) -> None:
    """Also where it is not ``listener`` that listens, or nobody does."""
    global _current
    if _current is not listener:
        return
    _current = None
    if type(_SHARED) is _Watched:
        _SHARED.__class__ = _PLAIN
    for name, original in _originals.items():
        # Else somebody has put another in its place, for good.
        if getattr(getattr(random, name), "__func__", None) is getattr(_Watched, name):
            setattr(random, name, original)
    _originals.clear()


def changed_unheard() -> bool:
    """Whether numbers were drawn of which nobody heard, since this was asked last."""
    global _heard
    before, _heard = _heard, _SHARED.getstate()
    return _current is not None and before != _heard
