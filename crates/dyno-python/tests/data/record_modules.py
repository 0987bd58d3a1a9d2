"""Records what CPython makes of small projects, for `modules.rs`.

Run it with Python 3.11 in this folder: `python3.11 record_modules.py`. It rewrites
`modules.json`. A case is a set of files and what is asked of the module `m`: for a name,
the `repr` of its value (a member of an enum by its `str`, a class by its `__mro__`).
A name that ends in `?` is one that the text is not expected to settle.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

CASES = [
    ({"m": "A = [1, 2]\nB = A\n"}, "A B"),
    ({"m": "A = [1, 2]\nA.append(3)\n"}, "A?"),
    ({"m": "A = [1, 2]\nB = A\nB.append(3)\n"}, "A? B?"),
    ({"m": "A = [[1], 2]\nB = list(A)\nB.append(3)\n"}, "A B?"),
    ({"m": "A = [[1], 2]\nB = list(A)\nB[0].append(3)\n"}, "A? B?"),
    ({"m": "A = [1]\nB = [A, A]\nB[0].append(2)\n"}, "A? B?"),
    ({"m": "A = [[1]]\nfor a in A:\n    a.append(2)\n"}, "A?"),
    ({"m": "A = [[1]]\n[a.append(2) for a in A]\n"}, "A?"),
    ({"m": "A = [1]\ndef f(x=A):\n    x.append(2)\nf()\n"}, "A?"),
    ({"m": "A = [1]\ndef f():\n    return A\nf().append(2)\n"}, "A?"),
    ({"m": "A = [1]\ndef f(x):\n    x.append(2)\nf(A)\n"}, "A?"),
    ({"m": "A = {'a': 1}\nA['b'] = 2\n"}, "A?"),
    ({"m": "A = {'a': [1]}\nfor k, v in A.items():\n    v.append(1)\n"}, "A?"),
    ({"m": "A = {'a': 1}\nA.update(b=2)\n"}, "A?"),
    ({"m": "A = [3, 1]\nimport random\nrandom.Random(0).shuffle(A)\n"}, "A?"),
    ({"m": "A = B = [1]\nB.append(2)\n"}, "A? B?"),
    ({"m": "A, B = [1], [2]\nA.append(3)\n"}, "A? B?"),
    ({"m": "A = [1]\nwith_a = (A, 1)\nwith_a[0].append(5)\n"}, "A?"),
    ({"m": "A = [1]\ndel A[0]\n"}, "A?"),
    ({"m": "A = [1]\nA += [2]\n"}, "A?"),
    ({"m": "A = 1\nA += 2\n"}, "A"),
    ({"m": "A = (1,)\nA += (2,)\nB = A\n"}, "A B"),
    ({"m": "A = 1\nB = A\nA = 2\nC = A\n"}, "A B C"),
    ({"m": "def f():\n    global A\n    A = 2\nA = 1\nf()\n"}, "A?"),
    ({"m": "A = 1\nglobals()['A'] = 2\n"}, "A?"),
    ({"m": "A = 1\nexec('A = 2')\n"}, "A?"),
    ({"m": "import sys\nA = 1\nsetattr(sys.modules[__name__], 'A', 2)\n"}, "A?"),
    ({"m": "A = 1\nif len('a') == 1:\n    A = 2\n"}, "A?"),
    ({"m": "import sys\nif sys.version_info >= (3, 8):\n    A = 1\nelse:\n    A = 2\n"}, "A"),
    ({"m": "import sys\nif sys.version_info < (3, 11):\n    A = 1\nelse:\n    A = 2\n"}, "A"),
    ({"m": "from sys import version_info as v\nif v[:2] == (3, 11):\n    A = 1\n"}, "A"),
    ({"m": "import sys\nA = [1] + ([2] if sys.platform == 'win32' else [3])\n"}, "A"),
    (
        {"m": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    A = 1\nelse:\n    A = 2\n"},
        "A",
    ),
    ({"m": "try:\n    import json\n    A = 1\nexcept ImportError:\n    A = 2\n"}, "A?"),
    ({"m": "for A in range(3):\n    pass\n"}, "A?"),
    ({"m": "(A := 3)\n"}, "A?"),
    ({"m": "a, (b, c) = 1, (2, 3)\n"}, "a b c"),
    ({"m": "a, *b = 1, 2, 3\n"}, "a? b?"),
    ({"m": "A = (x for x in [1])\nB = list(A)\nC = list(A)\n"}, "B? C?"),
    ({"m": "from k import A\n", "k": "A = [1]\n"}, "A"),
    ({"m": "from k import A\nA.append(2)\n", "k": "A = [1]\n"}, "A?"),
    ({"m": "import k\nk.A.append(2)\nA = k.A\n", "k": "A = [1]\n"}, "A?"),
    ({"m": "import k\nk.A = 7\nA = k.A\n", "k": "A = 1\n"}, "A?"),
    ({"m": "import k as q\nA = q.A\n", "k": "from l import B as A\n", "l": "B = 'x'\n"}, "A"),
    ({"m": "from k import *\n", "k": "A = 1\n_B = 2\n"}, "A"),
    ({"m": "from k import *\n", "k": "__all__ = ['A']\nA = 1\nB = 2\n"}, "A"),
    ({"m": "A = 0\nfrom k import *\nB = A\n", "k": "A = 1\n"}, "A B"),
    ({"m": "from k import *\nA = 0\n", "k": "A = 1\n"}, "A"),
    (
        {
            "m": "from p.a import X\nfrom p import Y\nimport p.a\nZ = p.a.X\n",
            "p/__init__": "from .b import Y\n",
            "p/a": "X = 1\n",
            "p/b": "from . import c\nY = c.Z + 1\n",
            "p/c": "Z = 4\n",
        },
        "X Y Z",
    ),
    ({"m": "from p import a\nX = a\n", "p/__init__": "a = 5\n", "p/a": "X = 1\n"}, "X?"),
    (
        {"m": "import p.a\nfrom p import a\nX = a.X\n", "p/__init__": "a = 5\n", "p/a": "X = 1\n"},
        "X?",
    ),
    ({"m": "from q.r import X\n", "q/r": "X = 1\n"}, "X"),
    ({"m": "from k import A\n", "k": "from n import B\nA = [B]\n", "n": "B = 3\n"}, "A"),
    (
        {
            "m": "import enum\nclass E(enum.Enum):\n    A = 1\n    B = 'b'\nX = E.A\nY = E.B.value\nL = [e.name for e in E]\n"
        },
        "X Y L",
    ),
    (
        {
            "m": "from enum import Enum, auto\nclass E(Enum):\n    A = auto()\n    B = auto()\n    C = 1\nX = E.C\nY = E.B.value\nL = list(E)\nZ = E['B']\nW = E(2)\n"
        },
        "X Y Z W",
    ),
    (
        {"m": "from enum import IntEnum\nclass E(IntEnum):\n    A = 1\nX = E.A\nY = E.A == 1\n"},
        "X Y",
    ),
    (
        {
            "m": "from enum import StrEnum, auto\nclass E(StrEnum):\n    AB = auto()\n    C = 'd'\nX = E.AB\nY = E.C\n"
        },
        "X Y",
    ),
    (
        {
            "m": "from enum import Enum\nclass E(str, Enum):\n    A = 'x'\nX = E.A\nY = E.A.value\nZ = E.A == 'x'\n"
        },
        "X Y Z",
    ),
    (
        {
            "m": "from enum import Flag, auto\nclass E(Flag):\n    A = auto()\n    B = auto()\n    C = auto()\nX = E.B\nY = E.C.value\n"
        },
        "X Y",
    ),
    (
        {
            "m": "from enum import Enum\nclass E(Enum):\n    A = 1\n    def __str__(self):\n        return 'no'\nX = E.A\n"
        },
        "X?",
    ),
    (
        {
            "m": "from enum import Enum\nclass E(Enum):\n    A = 1\n    @property\n    def p(self):\n        return 2\nX = E.A\n"
        },
        "X",
    ),
    (
        {"m": "class A:\n    x = [1]\n    y = x\nclass B(A):\n    z = 3\nX = B.x\nY = B.z\n"},
        "X Y B",
    ),
    ({"m": "class A:\n    x = [1]\nA.x.append(2)\nX = A.x\n"}, "X?"),
    ({"m": "class A:\n    x = 1\nA.x = 2\nX = A.x\n"}, "X?"),
    ({"m": "class A:\n    x = 1\nsetattr(A, 'x', 2)\nX = A.x\n"}, "X?"),
    ({"m": "class A:\n    n = 2\n    x = [n for _ in range(1)] if False else n\nX = A.x\n"}, "X"),
    ({"m": "n = 5\nclass A:\n    n = 2\n    x = [n for _ in range(2)]\nX = A.x\n"}, "X"),
    ({"m": "class A: pass\nclass B(A): pass\nclass C(A): pass\nclass D(B, C): pass\n"}, "D"),
    (
        {
            "m": "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass A(Generic[T]): pass\nclass B(A[int]): pass\n"
        },
        "B",
    ),
    ({"m": "import abc\nclass A(abc.ABC): pass\nclass B(A): pass\n"}, "B"),
    ({"m": "class O:\n    class I:\n        x = 3\n    y = I.x\nX = O.y\nY = O.I.x\n"}, "X Y"),
    ({"m": "def f(n):\n    m = n * 2\n    return [m, m + 1]\nX = f(3)\n"}, "X"),
    (
        {
            "m": "def f(n, k=1):\n    if n > 2:\n        return 'big'\n    return f'{n}-{k}'\nX = f(3)\nY = f(1, k=2)\n"
        },
        "X Y",
    ),
    (
        {
            "m": "def f(n):\n    out = []\n    for i in range(n):\n        out.append(i)\n    return out\nX = f(3)\n"
        },
        "X?",
    ),
    ({"m": "def f():\n    yield 1\nX = list(f())\n"}, "X?"),
    ({"m": "f = lambda a: a + 1\nX = f(2)\n"}, "X"),
    ({"m": "K = 1\ndef f():\n    return K\nX = f()\nK = 2\nY = f()\n"}, "X? Y?"),
    ({"m": "from collections import namedtuple\nimport os\nX = os.name\n"}, "X"),
    (
        {
            "m": "from typing import NamedTuple\nclass P(NamedTuple):\n    a: int\n    b: str = 'z'\np = P(1)\nX = p.a\nY = p.b\nZ = [*P(3, 'q')]\n"
        },
        "X Y Z",
    ),
    (
        {
            "m": "import dataclasses\n@dataclasses.dataclass\nclass P:\n    a: int\n    b: str = 'z'\nX = P(1).b\n"
        },
        "X",
    ),
    ({"m": "len = lambda x: 5\nX = len([1])\n"}, "X"),
    ({"m": "A = 1\ndel A\nA = 2\n"}, "A"),
    ({"m": "CASES = [1]\nTUP = tuple(CASES)\nprint(CASES)\nX = dict(a=CASES)\n"}, "CASES TUP X"),
    ({"m": "import json\nA = [1]\nB = json.dumps(A)\n"}, "A"),
    ({"m": "A = [1]\nB = ','.join(str(a) for a in A)\nC = {a: 1 for a in A}.get(1)\n"}, "A B C"),
    (
        {
            "m": "R = {}\ndef reg(f):\n    R[f.__name__] = f\n    return f\n@reg\ndef a(): pass\nX = list(R)\n"
        },
        "X?",
    ),
    ({"m": "A = []\nclass C:\n    A.append(1)\n"}, "A?"),
    ({"m": "A = [1]\nclass C:\n    items = A\nC.items.append(2)\n"}, "A?"),
    ({"m": "A = [1]\nB = {'x': A}\nB['x'] += [2]\n"}, "A?"),
    (
        {
            "m": "A = [1]\ndef deco(x):\n    x.append(1)\n    return lambda f: f\n@deco(A)\ndef t(): pass\n"
        },
        "A?",
    ),
    ({"m": "A = [1]\nmap_ = {'k': A}\nfor v in map_.values():\n    v.append(1)\n"}, "A?"),
    ({"m": "A = [1]\nX = A if A else None\nX.append(1)\n"}, "A?"),
    ({"m": "A = [1]\n(lambda q: q.append(2))(A)\n"}, "A?"),
    ({"m": "A = [1]\nlist.append(A, 2)\n"}, "A?"),
    ({"m": "A = [1]\nf = A.append\nf(2)\n"}, "A?"),
    ({"m": "A = [1]\nimport operator\noperator.iadd(A, [2])\n"}, "A?"),
    ({"m": "A = [1]\nlist(map(A.append, [2, 3]))\n"}, "A?"),
    ({"m": "A = [1]\nclass W:\n    def __init__(self, a):\n        a.append(2)\nW(A)\n"}, "A?"),
    (
        {"m": "from k import A, grow\ngrow()\n", "k": "A = [1]\ndef grow():\n    A.append(2)\n"},
        "A?",
    ),
    (
        {
            "m": "A = [1]\nwith open('m.py') as f, __import__('contextlib').nullcontext(A) as a:\n    a.append(2)\n"
        },
        "A?",
    ),
    ({"m": "A = [1]\ntry:\n    A.append(2)\nfinally:\n    pass\n"}, "A?"),
    ({"m": "x = 1\nmatch x:\n    case 1:\n        A = 2\n    case y:\n        A = 3\n"}, "A?"),
]

ORDERS = [
    "import os\nA = 1\ndef f(): pass\nclass C: pass\nB: int\nD: int = 2\nA = 3\n",
    "A = 1\nB = 2\ndel A\nC = 3\nA = 4\n",
    "import os.path\nimport json as j\nfrom sys import argv as a, path\nx, (y, *z) = 1, (2, 3)\n",
    "from k import *\nA = 1\n",
    "with open(__file__) as f, open(__file__) as g:\n    h = 1\n",
    "def f():\n    global G\n    G = 1\nH = 2\n",
    "if True:\n    A = 1\nelse:\n    B = 2\nC = 3\n",
    "A = B = C = 1\n",
    "[i for i in range(3)]\nA = 1\n",
]

SHOW = r"""
import enum, json, sys
sys.path.insert(0, ".")
import m
def show(value):
    if isinstance(value, enum.Enum):
        return "enum " + str(value)
    if isinstance(value, type):
        return "mro " + " ".join(one.__qualname__ for one in value.__mro__)
    return repr(value)
names = sys.argv[1:]
print(json.dumps({name: show(getattr(m, name)) for name in names}))
print(json.dumps([name for name in vars(m) if not name.startswith("__")]))
"""


def run(files, names):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", SHOW, *names], cwd=folder, capture_output=True, text=True
        )
        if done.returncode != 0:
            sys.exit(f"{files}: {done.stderr}")
        values, order = done.stdout.strip().splitlines()[-2:]
        return json.loads(values), json.loads(order)


def main():
    cases = []
    for files, asked in CASES:
        names = [name.rstrip("?") for name in asked.split()]
        values, _ = run(files, names)
        settled = {name.rstrip("?"): not name.endswith("?") for name in asked.split()}
        cases.append({"files": files, "values": values, "settled": settled})
    orders = []
    for text in ORDERS:
        files = {"m": text, "k": "Q = 1\nimport os\n_p = 2\nA = 0\n"}
        orders.append({"files": files, "names": run(files, [])[1]})
    with open("modules.json", "w", encoding="utf-8") as file:
        json.dump({"cases": cases, "orders": orders}, file, indent=0)
        file.write("\n")


main()
