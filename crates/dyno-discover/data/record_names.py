"""Records named.txt and plain.txt: what the standard library's things are as parameters.

Run as `python3 record_names.py` in this folder. Last recorded with Python 3.11. A line
stays true for other versions as long as a function or class keeps its own name, and a
class does not start to derive from a string, number or enum.
"""

import enum
import importlib
import re
import types
import warnings

MODULES = [
    "abc",
    "array",
    "asyncio",
    "base64",
    "bisect",
    "builtins",
    "calendar",
    "cmath",
    "codecs",
    "collections",
    "collections.abc",
    "contextlib",
    "copy",
    "csv",
    "dataclasses",
    "datetime",
    "decimal",
    "difflib",
    "email",
    "fnmatch",
    "fractions",
    "functools",
    "gc",
    "getpass",
    "glob",
    "gzip",
    "hashlib",
    "heapq",
    "hmac",
    "html",
    "io",
    "ipaddress",
    "itertools",
    "json",
    "json.decoder",
    "json.encoder",
    "keyword",
    "linecache",
    "locale",
    "logging",
    "math",
    "mimetypes",
    "numbers",
    "operator",
    "os",
    "pathlib",
    "pickle",
    "platform",
    "pprint",
    "queue",
    "random",
    "re",
    "reprlib",
    "sched",
    "secrets",
    "select",
    "selectors",
    "shlex",
    "shutil",
    "signal",
    "socket",
    "sqlite3",
    "ssl",
    "stat",
    "statistics",
    "string",
    "struct",
    "subprocess",
    "sys",
    "tarfile",
    "tempfile",
    "textwrap",
    "threading",
    "time",
    "tokenize",
    "traceback",
    "types",
    "unicodedata",
    "unittest",
    "urllib.error",
    "urllib.parse",
    "urllib.request",
    "uuid",
    "warnings",
    "weakref",
    "xml.etree.ElementTree",
    "zipfile",
    "zlib",
    "zoneinfo",
]

# Instances of these are named, are strings or numbers in disguise, or stand for others.
NOT_PLAIN = {"types", "weakref", "unittest", "abc", "ssl", "signal", "socket", "select", "http"}
NOT_PLAIN_CLASSES = {
    "builtins.staticmethod", "builtins.classmethod", "builtins.property", "builtins.super",
    "builtins.type", "functools.cached_property", "functools.partialmethod",
    "functools.singledispatchmethod", "contextlib.ContextDecorator",
}  # fmt: skip
NAMED_TYPES = (str, bytes, int, float, complex, enum.Enum, re.Pattern, type)
NAMED_TYPES += (types.FunctionType, types.BuiltinFunctionType, types.ModuleType)


def is_plain(cls: type) -> bool:
    # An alias such as `list[int]` shows the attributes of its origin.
    if (
        cls is types.GenericAlias
        or issubclass(cls, NAMED_TYPES)
        or type(cls).__call__ is not type.__call__
    ):
        return False
    for base in cls.__mro__[:-1]:
        if "__name__" in vars(base) or "__getattr__" in vars(base):
            return False
        if isinstance(vars(base).get("__getattribute__"), types.FunctionType):
            return False
    return True


def main() -> None:
    warnings.simplefilter("ignore")
    named, plain = set(), set()
    for module in MODULES:
        holder = importlib.import_module(module)
        named.add(module.partition(".")[0])
        for name, value in vars(holder).items():
            if name.startswith("_") or not name.isidentifier():
                continue
            if not isinstance(value, (type, types.FunctionType, types.BuiltinFunctionType)):
                continue
            if value.__name__ != name:
                continue
            full = f"{module}.{name}"
            named.add(full)
            known = module.split(".")[0] in NOT_PLAIN or full in NOT_PLAIN_CLASSES
            if isinstance(value, type) and not known and is_plain(value):
                plain.add(full)
    for file, lines in (("named.txt", named), ("plain.txt", plain)):
        with open(file, "w", encoding="ascii") as out:
            out.writelines(f"{line}\n" for line in sorted(lines))


main()
