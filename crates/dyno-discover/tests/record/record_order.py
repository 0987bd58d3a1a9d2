"""Records where pytest's own `reorder_items` puts tests of random parameters.

Run as `python3 record_order.py OUT.json PYTHON...` with an interpreter for each version.
A case is a list of tests, each `[folder, file, class or null, params]`, a parameter
`[name, scope, index, value]`.
"""

import json
import random
import subprocess
import sys
from pathlib import Path

INSIDE = """
import json, sys, types, pathlib, pytest
from _pytest.fixtures import reorder_items
from _pytest.scope import Scope

class Item:
    def __init__(self, number, folder, file, cls, params):
        self.number = number
        self.path = pathlib.Path(f"/d{folder}/f{file}.py")
        self.cls = cls
        self.callspec = types.SimpleNamespace(
            params={p[0]: p[3] for p in params},
            indices={p[0]: p[2] for p in params},
            _arg2scope={p[0]: Scope(p[1]) for p in params},
        )

orders = []
for case in json.load(sys.stdin):
    items = [Item(number, *test) for number, test in enumerate(case)]
    orders.append([item.number for item in reorder_items(items)])
print(json.dumps([pytest.__version__, orders]))
"""


def case(draw: random.Random) -> list:
    scopes = draw.sample(["session", "package", "module", "class", "function"], draw.randint(1, 5))
    tests = []
    for _ in range(draw.randint(1, 14)):
        folder = draw.randint(0, 1)
        file = folder * 2 + draw.randint(0, 1)
        names = draw.sample("abcd", draw.randint(0, 3))
        params = [
            [name, draw.choice(scopes), draw.randint(0, 2), draw.randint(0, 2)] for name in names
        ]
        tests.append([folder, file, draw.choice([None, 0, 1]), params])
    return sorted(tests, key=lambda test: test[:2])


def main() -> None:
    out, *pythons = sys.argv[1:]
    draw = random.Random(1)
    cases = [case(draw) for _ in range(400)]
    told = []
    for python in pythons:
        command = [python, "-c", INSIDE]
        done = subprocess.run(
            command, input=json.dumps(cases), capture_output=True, text=True, check=True
        )
        told.append(json.loads(done.stdout))
    Path(out).write_text(json.dumps({"cases": cases, "told": told}, separators=(",", ":")) + "\n")


main()
