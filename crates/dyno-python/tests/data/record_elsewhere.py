"""Records what importing one module changes of another, for `elsewhere.rs`.

Run it with Python 3.11 in this folder: `python3.11 record_elsewhere.py`. It rewrites
`elsewhere.json`. A case is a set of files: `c` may change `X` of `k`, which `t` imports.
Recorded is whether `X` is another after `c` was imported. A case that says `kept` is one
of which the text must tell that nothing is changed.
"""

import json
import pathlib
import subprocess
import sys
import tempfile

LIST = "X = [1]\nY = 2\n"
USE = "from k import X\n"
CLASS = "class X:\n    a = 1\n    def __repr__(self): return 'X'\n"

# What `c` holds, what `k` holds, whether it must be told that nothing is changed, others.
CASES = [
    ("from k import X\nX.append(2)\n", LIST, ""),
    ("from k import X as Z\nZ.append(2)\n", LIST, ""),
    ("from k import X\nX += [2]\n", LIST, ""),
    ("from k import X\nZ = X\nZ.append(2)\n", LIST, ""),
    ("from k import X\ndef f():\n    X.append(2)\nf()\n", LIST, ""),
    ("from k import *\nX.append(2)\n", LIST, ""),
    ("import k\nk.X.append(2)\n", LIST, ""),
    ("import k as z\nz.X[0] = 2\n", LIST, ""),
    ("import k\nk.X = [2]\n", LIST, ""),
    ("import k\nk.X = 2\n", "X = 1\n", ""),
    ("import k\nsetattr(k, 'X', 2)\n", "X = 1\n", ""),
    ("def f():\n    from k import X\n    X.append(2)\nf()\n", LIST, ""),
    ("def f():\n    import k\n    k.X.append(2)\nf()\n", LIST, ""),
    (
        "from d import fill\nfrom k import X\nfill(X)\n",
        LIST,
        "",
        {"d": "def fill(x):\n    x.append(2)\n"},
    ),
    ("from d import X\nX.append(2)\n", LIST, "", {"d": "from k import X\n"}),
    ("from d import Z\nZ.append(2)\n", LIST, "", {"d": "from k import X as Z\n"}),
    (
        "from p import k2\nk2.X.append(2)\n",
        "from p.k2 import X\n",
        "",
        {"p/__init__": "", "p/k2": LIST},
    ),
    (
        "import p.k2\np.k2.X.append(2)\n",
        "from p.k2 import X\n",
        "",
        {"p/__init__": "", "p/k2": LIST},
    ),
    ("from k import X\nX.a = 2\n", CLASS, ""),
    ("import k\nk.X.a = 2\n", CLASS, ""),
    ("from k import X\nsorted(X)\n", LIST, "kept"),
    ("from k import X\nZ = [*X, 2]\n", LIST, "kept"),
    ("from k import X\nZ = [1]\nZ.append(2)\n", LIST, "kept"),
    ("import os\nfrom k import X\nos.path.join(*map(str, X))\n", LIST, "kept"),
    ("from k import Y\nZ = [Y]\nZ.append(2)\n", LIST, "kept"),
    ("import sys\nsys.path.append('a')\n", LIST, "kept"),
    ("X = [1]\nX.append(2)\n", LIST, "kept"),
]

SHOW = r"""
import sys
sys.path.insert(0, ".")
import k
def shown():
    return repr(k.X), repr(getattr(k.X, "a", None))
before = shown()
import c
print(shown() != before)
"""


def changes(files):
    with tempfile.TemporaryDirectory() as folder:
        for name, text in files.items():
            path = pathlib.Path(folder, name + ".py")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        done = subprocess.run(
            [sys.executable, "-c", SHOW], cwd=folder, capture_output=True, text=True, check=True
        )
        return done.stdout.strip() == "True"


def main():
    cases = []
    for changer, source, kept, *others in CASES:
        files = {"c": changer, "k": source, "t": USE}
        for more in others:
            files |= more
        cases.append({"files": files, "kept": bool(kept), "changes": changes(files)})
    here = pathlib.Path(__file__).parent
    here.joinpath("elsewhere.json").write_text(json.dumps(cases, indent=1) + "\n")


main()
