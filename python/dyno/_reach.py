"""Which functions of a project run while it is collected, as far as names tell: those that
a module's own lines name, the hooks by which pytest asks a conftest for tests, and whatever
these name in turn.

A function is looked up where its name leads in the live modules. One that is reached by a
value (an argument, an element of a list) and never named is not found.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from types import FunctionType, ModuleType
from typing import Any, NamedTuple, Protocol

__all__ = ["COLLECTION_HOOKS", "Loads", "Reached", "functions_named"]

# Hooks that a collection calls, and that may decide what it finds.
COLLECTION_HOOKS = (
    *("pytest_generate_tests", "pytest_ignore_collect", "pytest_itemcollected"),
    *("pytest_make_parametrize_id", "pytest_make_collect_report", "pytest_collection"),
    *("pytest_pycollect_makeitem", "pytest_pycollect_makemodule"),
    *("pytest_collect_file", "pytest_collect_directory", "pytest_collection_modifyitems"),
)


class Reached(NamedTuple):
    """A function, and the class in which it was found."""

    function: FunctionType
    owner: type[Any] | None = None


class Loads(Protocol):
    """What code looks up: names, each followed by the attributes that are looked up on it."""

    chains: set[tuple[str, ...]]
    #: Those that are looked up as bases of a class and for nothing else.
    bases: set[tuple[str, ...]]


def functions_named(
    loads: Loads,
    namespace: dict[str, Any],
    owner: type[Any] | None,
    is_own: Callable[[str], bool],
) -> Iterator[Reached]:
    """The project's functions that code may call which looks up these names. ``owner`` is the
    class that the code is of."""
    attributes = {name for chain in loads.chains for name in chain[1:]}
    reached = [] if owner is None else list(_methods(owner, attributes))
    for one in _found(loads.chains - loads.bases, namespace):
        reached.extend(_reached(one, attributes))
    for base in _found(loads.bases, namespace):
        # A class is not called to be a base; what makes one is.
        if isinstance(base, type):
            reached.extend(_methods(base, _OF_BASES))
        else:
            reached.extend(_reached(base, attributes))
    for function, of in reached:
        file = function.__globals__.get("__file__")
        if isinstance(file, str) and is_own(file):
            yield Reached(function, of)


def _found(chains: set[tuple[str, ...]], namespace: dict[str, Any]) -> Iterator[object]:
    for name, *rest in chains:
        found = namespace.get(name)
        for attribute in rest:
            if not isinstance(found, ModuleType):
                break
            found = vars(found).get(attribute)
        yield found


def _reached(found: object, attributes: set[str]) -> Iterator[Reached]:
    while True:
        if isinstance(found, functools.partial):
            found = found.func
        elif isinstance(inner := _in_dict(found, "__wrapped__"), FunctionType):
            # What a decorator made, and what it was made of.
            if isinstance(found, FunctionType):
                yield Reached(found)
            found = inner
        else:
            break
    if isinstance(found, FunctionType):
        yield Reached(found)
    elif isinstance(found, type):
        yield from _methods(found, attributes | _MAKERS)
    else:
        yield from _methods(type(found), attributes | _OF_INSTANCES)


def _methods(owner: type[Any], names: set[str]) -> Iterator[Reached]:
    for base in type.mro(owner):
        if base.__module__ == "builtins":
            continue
        members = vars(base)
        for name in names & members.keys():
            method = members[name]
            method = method.fget if isinstance(method, property) else method
            method = getattr(method, "__func__", method)
            if isinstance(method, FunctionType):
                yield Reached(method, owner)


_OF_INSTANCES = {"__call__", "__iter__", "__next__", "__getitem__", "__len__"}
_OF_BASES = {"__init_subclass__", "__set_name__", "_generate_next_value_"}
_MAKERS = _OF_INSTANCES | {"__new__", "__init__", "__post_init__", "_generate_next_value_"}


def _in_dict(found: object, name: str) -> object:
    """An attribute that stands in the object itself: nothing is run to find it."""
    try:
        return object.__getattribute__(found, "__dict__").get(name)
    except (AttributeError, TypeError):
        return None
