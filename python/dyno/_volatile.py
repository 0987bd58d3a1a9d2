"""What a module's compiled code tells without being run: whom it may import, and whether
its own lines ask for the time or for chance."""

from __future__ import annotations

import dis
import inspect
import sys
from collections.abc import Iterator
from types import CodeType

__all__ = ["doubts", "imported"]

_IMPORT_NAME = dis.opmap["IMPORT_NAME"]
_IMPORT_FROM = dis.opmap["IMPORT_FROM"]
# Names by which a module is reached that no import statement names.
_DYNAMIC = {"import_module", "__import__", "exec_module", "run_path", "run_module", "modules"}

# What may stand between an import and the name that it is bound to.
_BETWEEN = {"SWAP", "ROT_TWO", "POP_TOP", "EXTENDED_ARG"}

# Called as those that change, and always the same.
_CLASSES = {("datetime", "time")}

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


def doubts(code: CodeType) -> Iterator[str]:
    """Why the outcome of a module's own lines may be another each time.

    Its functions are left out: most of them are tests, and run later.
    """
    if _CHANGING.isdisjoint(word for part in _parts(code) for word in part.co_names):
        return
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
    for name in sorted(found.changing()):
        yield f"its own lines call `{name}`, which says something else each time"


def _runs_at_once(code: CodeType) -> bool:
    is_class = not code.co_flags & inspect.CO_OPTIMIZED
    return is_class or code.co_name in ("<listcomp>", "<setcomp>", "<dictcomp>", "<genexpr>")


class _Loads:
    """What some code looks up, and what the names that it imports stand for."""

    def __init__(self) -> None:
        # Attributes, each with the name that it is looked up on, or "".
        self._attributes: set[tuple[str, str]] = set()
        self._used: set[str] = set()
        # By name: the modules, or module and attribute, that it is bound to.
        self._brought: dict[str, set[tuple[str, str]]] = {}
        self._bound_otherwise: set[str] = set()

    def add(self, code: CodeType) -> None:
        module, source, name = "", None, ""
        for instruction in dis.get_instructions(code):
            operation, argument = instruction.opname, str(instruction.argval)
            if instruction.opcode == _IMPORT_NAME:
                module, source = argument, (argument, "")
            elif instruction.opcode == _IMPORT_FROM:
                source = (module, argument)
            elif operation.startswith("STORE_"):
                if source is None:
                    self._bound_otherwise.add(argument)
                else:
                    self._brought.setdefault(argument, set()).add(source)
                source = None
            elif operation not in _BETWEEN:
                source = None
            if operation in ("LOAD_ATTR", "LOAD_METHOD"):
                self._attributes.add((name, argument))
            name = ""
            if operation in ("LOAD_NAME", "LOAD_GLOBAL"):
                name = argument
                self._used.add(argument)

    def changing(self) -> Iterator[str]:
        for base, attribute in self._attributes:
            if attribute in _CHANGING and not self._is_class(base, attribute):
                yield attribute
        for used in self._used:
            for module, attribute in self._brought.get(used, ()):
                if attribute in _CHANGING and (module, attribute) not in _CLASSES:
                    yield attribute

    def _is_class(self, base: str, attribute: str) -> bool:
        """Whether ``base`` is a module of which the attribute is known not to change."""
        modules = self._brought.get(base, set())
        known = all(not inner and (name, attribute) in _CLASSES for name, inner in modules)
        return bool(modules) and known and base not in self._bound_otherwise
