# What an interpreter has, as JSON, without importing any of it. It runs on any Python 3, to say so
# of one that is too old. Versions are read off the names of folders, which is ten times as fast as
# reading the metadata of all packages.
import sys

# `python -c` puts the working folder first, which is not where `dyno test` imports from.
if sys.path and sys.path[0] == "" and not getattr(sys.flags, "safe_path", False):
    del sys.path[0]

import importlib.util
import json
import os
import re

NAMED = re.compile(r"^([A-Za-z0-9][^-]*)-([^-]+)(?:-.*)?\.(?:dist|egg)-info$")


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


def text(*parts):
    try:
        with open(os.path.join(*parts), encoding="utf-8", errors="replace") as file:
            return file.read(1 << 20)
    except OSError:
        return ""


def distributions():
    found = {}
    for folder in sys.path:
        try:
            names = sorted(os.listdir(folder))
        except OSError:
            continue
        for name in names:
            match = NAMED.match(name)
            if match:
                place = os.path.join(folder, name)
                found.setdefault(normal(match.group(1)), []).append((match.group(2), place))
    return found


def plugins(found):
    for name, copies in found.items():
        section = None
        for line in text(copies[0][1], "entry_points.txt").splitlines():
            line = line.strip()
            if line.startswith("["):
                section = line
            elif section == "[pytest11]" and "=" in line:
                yield name
                break


def has(module):
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, AttributeError):
        return False


def dyno():
    try:
        spec = importlib.util.find_spec("dyno")
    except (ImportError, ValueError):
        return None
    if spec is None or not spec.origin:
        return None
    folder = os.path.dirname(spec.origin)
    protocol = re.search(r"^PROTOCOL = (\d+)", text(folder, "_wire.py"), re.MULTILINE)
    return {"folder": folder, "protocol": int(protocol.group(1)) if protocol else None}


def requires(found):
    copies = found.get("ai-dynamo")
    if not copies:
        return []
    head = text(copies[0][1], "METADATA").split("\n\n", 1)[0]
    return re.findall(r"^Requires-Dist:\s*(.+)$", head, re.MULTILINE)


def managed():
    import sysconfig

    if sys.prefix != sys.base_prefix:
        return False
    return os.path.exists(os.path.join(sysconfig.get_path("stdlib"), "EXTERNALLY-MANAGED"))


found = distributions()
facts = {
    "executable": sys.executable or "",
    "version": list(sys.version_info[:3]),
    "distributions": {
        name: {"version": copies[0][0], "copies": [copy[1] for copy in copies]}
        for name, copies in found.items()
    },
    "plugins": sorted(plugins(found)),
    "requires": requires(found),
    "modules": [name for name in sys.argv[1:] if has(name)],
    "dyno": dyno(),
    "is_managed": managed(),
}
sys.stdout.write(json.dumps(facts))
