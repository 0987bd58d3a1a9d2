"""What a module's compiled code tells without being run: whom it may import, and whether
what runs while it is collected asks for the time or for chance."""

from __future__ import annotations

import datetime
import dis
import functools
import inspect
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from types import CodeType, FunctionType, ModuleType
from typing import Any

from dyno._chance import is_shared
from dyno._reach import COLLECTION_HOOKS, Reached, functions_named

__all__ = ["doubts", "imported"]

_IMPORT_NAME = dis.opmap["IMPORT_NAME"]
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]
# Names by which a module is reached that no import statement names.
_DYNAMIC = {"import_module", "__import__", "exec_module", "run_path", "run_module", "modules"}

# What may stand between an import and the name that it is bound to.
_BETWEEN = {"SWAP", "ROT_TWO", "POP_TOP", "EXTENDED_ARG"}

# Called as those that change, and always the same.
_CLASSES = (datetime.time,)

# Methods that are called as those that change, of values that say no more than they hold.
_VALUES = (datetime.date, datetime.datetime, datetime.time)
_OF_VALUES = {"time", "ctime", "strftime"}

# Functions that say something else each time.
_CHANGING = {
    *("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"),
    *("now", "utcnow", "today", "localtime", "gmtime", "ctime", "strftime"),
    *("uuid1", "uuid4", "urandom", "getrandbits", "random", "randint", "randrange", "choice"),
    *("choices", "shuffle", "sample", "uniform", "gauss", "randbytes", "default_rng", "rand"),
    *("randn", "token_hex", "token_bytes", "token_urlsafe", "getpid", "mkdtemp", "mkstemp"),
    *("NamedTemporaryFile", "TemporaryDirectory", "gettempdir"),
}


def imported(code: CodeType, package: str, own: dict[str, str], names: set[str]) -> set[str]:
    """Files of ``own`` modules that ``code`` may import at any time; a few more at most.

    ``own`` maps names to files. Top-level names that may be meant are added to ``names``.
    """
    files: set[str] = set()
    prefixes = _prefixes(package)
    for part in _parts(code):
        words = part.co_names
        if not _DYNAMIC.isdisjoint(words):
            files.update(own.values())
        if _IMPORT_NAME not in part.co_code[::2]:
            continue
        for word in words:
            top = word.partition(".")[0]
            if top in sys.modules:
                names.add(top)
            for prefix in prefixes:
                target = f"{prefix}.{word}" if prefix and word else prefix or word
                if target in sys.modules:
                    _add(target, own, files)
                    for inner in words:
                        _add(f"{target}.{inner}", own, files)
    return files


def _prefixes(package: str) -> list[str]:
    """Nothing, the package, and the packages above it: what a relative name can begin with."""
    parts = package.split(".") if package else []
    return ["", *(".".join(parts[:length]) for length in range(1, len(parts) + 1))]


def _add(name: str, own: dict[str, str], files: set[str]) -> None:
    if name not in own:
        return
    while name:
        if name in own:
            files.add(own[name])
        name = name.rpartition(".")[0]


def _parts(code: CodeType) -> Iterator[CodeType]:
    """The code and all that is compiled with it: functions, classes, comprehensions."""
    waiting = [code]
    while waiting:
        part = waiting.pop()
        yield part
        waiting.extend(constant for constant in part.co_consts if isinstance(constant, CodeType))


def doubts(
    code: CodeType, namespace: dict[str, Any], is_own: Callable[[str], bool]
) -> Iterator[str]:
    """Why the outcome of a module's own lines, and of the functions that they name, may be
    another each time.

    Its other functions are left out: most of them are tests, and run later. ``namespace`` is
    the module's, as it has become.
    """
    loads = _loads(code)
    for name in sorted(set(loads.changing(namespace))):
        yield f"its own lines call `{name}`, which says something else each time"
    seen: set[CodeType] = set()
    waiting = [*functions_named(loads, namespace, None, is_own), *_hooks(namespace)]
    while waiting:
        function, owner = waiting.pop()
        if function.__code__ in seen:
            continue
        seen.add(function.__code__)
        loads, around = _function_loads(function.__code__), function.__globals__
        # What is stored in an instance was looked up by whoever stored it.
        instance = function.__code__.co_varnames[:1] if owner else ()
        for name in sorted(set(loads.changing(around, instance))):
            yield (
                f"its own lines may call `{function.__qualname__}`, and that `{name}`, which "
                "says something else each time"
            )
        waiting.extend(functions_named(loads, around, owner, is_own))


def _hooks(namespace: dict[str, Any]) -> Iterator[Reached]:
    for name in COLLECTION_HOOKS:
        if isinstance(hook := namespace.get(name), FunctionType):
            yield Reached(hook)


def _loads(code: CodeType) -> _Loads:
    """What the code looks up, with all in it that runs as it does."""
    found = _Loads()
    waiting = [code]
    while waiting:
        part = waiting.pop()
        waiting.extend(
            constant
            for constant in part.co_consts
            if isinstance(constant, CodeType) and _runs_at_once(constant)
        )
        found.add(part)
    found.bind_globally(_parts(code))
    return found


# A function of a library of the project's is reached from many modules.
_function_loads = functools.cache(_loads)


def _runs_at_once(code: CodeType) -> bool:
    is_class = not code.co_flags & inspect.CO_OPTIMIZED
    return is_class or code.co_name in (
        "<listcomp>",
        "<setcomp>",
        "<dictcomp>",
        "<genexpr>",
        "<lambda>",
    )


class _Loads:
    """What some code looks up, and what the names that it imports stand for."""

    def __init__(self) -> None:
        # A name and the attributes that are looked up on it; the name is "" for those of
        # what is no name.
        self.chains: set[tuple[str, ...]] = set()
        # Those of them that are loaded as bases of a class, and nowhere else.
        self.bases: set[tuple[str, ...]] = set()
        self._elsewhere: set[tuple[str, ...]] = set()
        # By name: the modules, or module and attribute, that it is bound to.
        self._brought: dict[str, set[tuple[str, str]]] = {}
        self._bound_otherwise: Counter[str] = Counter()

    def add(self, code: CodeType) -> None:
        module, source = "", None
        chain: tuple[str, ...] = ("",)
        is_base = False
        for instruction in dis.get_instructions(code):
            operation, argument = instruction.opname, str(instruction.argval)
            if instruction.opcode == _IMPORT_NAME:
                module, source = argument, (argument, "")
            elif instruction.opcode == _IMPORT_FROM:
                source = (module, argument)
            elif operation.startswith("STORE_"):
                if source is None:
                    self._bound_otherwise[argument] += 1
                else:
                    self._brought.setdefault(argument, set()).add(source)
                source = None
            elif operation not in _BETWEEN:
                source = None
            if operation in ("LOAD_ATTR", "LOAD_METHOD"):
                chain = (*chain, argument)
            elif operation in ("LOAD_NAME", "LOAD_GLOBAL") or operation.startswith("LOAD_FAST"):
                # Newer interpreters load two variables at once.
                words = instruction.argval
                chain = (str(words[-1]) if isinstance(words, tuple) else argument,)
            elif operation != "EXTENDED_ARG":
                chain = ("",)
            if operation == "LOAD_BUILD_CLASS":
                is_base = True
            elif operation.startswith("CALL"):
                is_base = False
            (self.bases if is_base else self._elsewhere).add(chain)
            self.chains.add(chain)
        self.bases -= self._elsewhere

    def bind_globally(self, parts: Iterator[CodeType]) -> None:
        """Take note of what functions bind in the module, whenever they run."""
        for part in parts:
            for instruction in dis.get_instructions(part):
                if instruction.opname in ("STORE_GLOBAL", "DELETE_GLOBAL"):
                    self._bound_otherwise[str(instruction.argval)] += 1

    def changing(self, namespace: dict[str, Any], instance: tuple[str, ...] = ()) -> Iterator[str]:
        for chain in self.chains:
            if chain[:1] == instance:
                continue
            last = chain[-1]
            if len(chain) > 1:
                if last in _CHANGING and not self._is_constant(chain, namespace):
                    yield last
                continue
            for _, attribute in self._brought.get(last, ()):
                if attribute in _CHANGING and not self._is_constant(chain, namespace):
                    yield attribute

    def _is_constant(self, chain: tuple[str, ...], namespace: dict[str, Any]) -> bool:
        """Whether what is looked up is known to be none of those that change: a module, a
        class of which that is known, a function whose calls are heard."""
        name, *attributes = chain
        found = namespace.get(name)
        # What else it is bound to may be in its place at another time.
        brought, bound = len(self._brought.get(name, ())), self._bound_otherwise[name]
        if (brought, bound) == (0, 1) and type(found) in _VALUES and len(attributes) == 1:
            return attributes[0] in _OF_VALUES
        if (brought, bound) != (1, 0):
            return False
        for attribute in attributes:
            if not isinstance(found, ModuleType):
                return False
            found = vars(found).get(attribute)
        return (
            isinstance(found, ModuleType)
            or any(found is known for known in _CLASSES)
            or is_shared(found)
        )
