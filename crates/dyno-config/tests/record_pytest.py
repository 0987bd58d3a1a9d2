"""Records what pytest makes of many small trees: its configuration, and what it collects.

    python record_pytest.py VENV...

Each VENV is a virtual environment with one pytest and nothing else. Writes
`pytest.json`, which the tests of dyno-config and dyno-discover replay from memory.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent


def test_file(*names):
    lines = []
    for name in names or ("test_a", "TestB::test_c"):
        if "::" in name:
            cls, method = name.split("::")
            if f"class {cls}:" not in lines:
                lines.append(f"class {cls}:")
            lines.append(f"    def {method}(self): pass")
        else:
            lines.append(f"def {name}(): pass")
    return "\n".join(lines) + "\n"


T = test_file()
BASE = {"w/p/tests/test_one.py": T, "w/p/tests/sub/test_two.py": T, "w/p/test_top.py": T}
CASES = []


def case(name, files, args=(), cwd="w/p", env=None, links=None):
    assert name not in {c["name"] for c in CASES}, name
    CASES.append(
        {
            "name": name,
            "files": files,
            "links": links or {},
            "cwd": cwd,
            "args": list(args),
            "env": env or {},
        }
    )


def base(name, files=None, args=(), **more):
    case(name, BASE | (files or {}), args, **more)


def configuration_cases():
    base("plain")
    for where in ("pytest.ini", ".pytest.ini", "tox.ini"):
        base(f"{where}-section", {f"w/p/{where}": "[pytest]\npython_files = *.py\n"})
        base(f"{where}-empty", {f"w/p/{where}": ""})
        base(f"{where}-other", {f"w/p/{where}": "[tool]\na=b\n"}, ["tests/sub"])
    base("setup.cfg", {"w/p/setup.cfg": "[tool:pytest]\ntestpaths = tests\n"})
    base("setup.cfg-old", {"w/p/setup.cfg": "[pytest]\ntestpaths = tests\n"})
    base("setup.cfg-none", {"w/p/setup.cfg": "[metadata]\nname = x\n"}, ["tests"])
    ini_options = "[tool.pytest.ini_options]\n"
    base("pyproject", {"w/p/pyproject.toml": ini_options + 'testpaths = ["tests/sub"]\n'})
    base(
        "pyproject-text", {"w/p/pyproject.toml": ini_options + 'testpaths = "tests test_top.py"\n'}
    )
    base("pyproject-empty-table", {"w/p/pyproject.toml": ini_options, "w/p/tox.ini": "[pytest]\n"})
    base("pyproject-none", {"w/p/pyproject.toml": "[project]\nname='x'\n"}, ["tests/sub"])
    base(
        "pyproject-none-above-tox",
        {"w/p/pyproject.toml": "[project]\nname='x'\n", "w/p/tox.ini": "[pytest]\n"},
        ["tests/sub"],
    )
    base(
        "pyproject-native", {"w/p/pyproject.toml": '[tool.pytest]\npython_files = ["test_o*.py"]\n'}
    )
    base(
        "pyproject-native-wrong",
        {"w/p/pyproject.toml": '[tool.pytest]\npython_files = "test_o*.py"\n'},
    )
    base(
        "pyproject-native-wrong-item", {"w/p/pyproject.toml": "[tool.pytest]\npython_files = [1]\n"}
    )
    base("pyproject-native-bool", {"w/p/pyproject.toml": "[tool.pytest]\nstrict = true\n"})
    base("pyproject-native-bool-text", {"w/p/pyproject.toml": '[tool.pytest]\nstrict = "true"\n'})
    base(
        "pyproject-both",
        {"w/p/pyproject.toml": ini_options + "strict=true\n[tool.pytest]\nstrict = true\n"},
    )
    base("pyproject-broken", {"w/p/pyproject.toml": "[tool\n"})
    base("pytest.toml", {"w/p/pytest.toml": '[pytest]\ntestpaths = ["tests"]\n'})
    base(
        "pytest.toml-empty",
        {"w/p/pytest.toml": "", "w/p/pytest.ini": "[pytest]\ntestpaths=tests\n"},
    )
    base("pytest.toml-loose", {"w/p/pytest.toml": 'testpaths = ["tests"]\n'})
    base(".pytest.toml", {"w/p/.pytest.toml": '[pytest]\naddopts = ["tests/sub"]\n'})
    base(
        "order-of-files",
        {
            "w/p/pytest.ini": "[pytest]\ntestpaths = tests\n",
            "w/p/tox.ini": "[pytest]\ntestpaths = test_top.py\n",
            "w/p/setup.cfg": "[tool:pytest]\ntestpaths = tests/sub\n",
        },
    )
    base(
        "nearer-file",
        {"w/p/tox.ini": "[pytest]\n", "w/p/tests/pytest.ini": "[pytest]\n"},
        ["tests"],
    )
    base("file-of-ancestor", {"w/pytest.ini": "[pytest]\ntestpaths = p/tests\n"})
    base("setup.py", {"w/setup.py": "", "w/p/test_top.py": T})
    base("second-search", {"w/q/test_q.py": T, "w/q/tox.ini": "[pytest]\n"}, ["tests", "../q"])
    base("no-file-two-trees", {"w/q/test_q.py": T}, ["tests", "../q"])
    base("cwd-below", {"w/p/pytest.ini": "[pytest]\ntestpaths = tests\n"}, cwd="w/p/tests")
    base("args-below", {"w/p/pytest.ini": "[pytest]\n"}, ["../test_top.py"], cwd="w/p/tests")
    base("option-c", {"w/p/other.ini": "[pytest]\npython_files=test_two.py\n"}, ["-c", "other.ini"])
    base(
        "option-c-elsewhere",
        {"w/conf/my.cfg": "[tool:pytest]\ntestpaths=tests\n"},
        ["-c", "../conf/my.cfg"],
    )
    base(
        "option-c-toml",
        {"w/p/my.toml": '[pytest]\ntestpaths=["tests"]\n'},
        ["--config-file=my.toml"],
    )
    base(
        "option-c-toml-tool", {"w/p/my.toml": ini_options + 'testpaths=["tests"]\n'}, ["-cmy.toml"]
    )
    base("option-c-missing", {}, ["-c", "nope.ini"])
    base("option-c-folder", {}, ["-c", "tests"])
    base("option-c-unsupported", {"w/p/my.conf": "[pytest]\n"}, ["-c", "my.conf"])
    base("rootdir", {"w/p/tests/pytest.ini": "[pytest]\n"}, ["--rootdir", "..", "tests"])
    base("rootdir-variable", {}, ["--rootdir=$WHERE/tests", "tests"], env={"WHERE": "."})
    base("rootdir-braces", {}, ["--rootdir=${WHERE}/${NOT}", "tests"], env={"WHERE": "tests"})
    base("rootdir-missing", {}, ["--rootdir=nope"])
    base(
        "override",
        {"w/p/pytest.ini": "[pytest]\npython_files=a\n"},
        ["-o", "python_files=test_t*.py"],
    )
    base("override-last", {}, ["-o", "python_files=a", "--override-ini=python_files=test_two.py"])
    base("override-wrong", {}, ["-o", "python_files"])
    base(
        "addopts",
        {"w/p/pytest.ini": "[pytest]\naddopts = -k 'a or b' --ignore=tests/sub\n"},
        ["-k", "c"],
    )
    base(
        "addopts-env",
        {"w/p/pytest.ini": "[pytest]\naddopts = -k one\n"},
        env={"PYTEST_ADDOPTS": "-k 'two words'"},
    )
    base("addopts-env-paths", {}, env={"PYTEST_ADDOPTS": "tests/sub"})
    base("addopts-list", {"w/p/pyproject.toml": ini_options + 'addopts = ["-k", "a b"]\n'})
    base("addopts-broken", {"w/p/pytest.ini": "[pytest]\naddopts = 'x\n"})
    base(
        "addopts-override", {"w/p/pytest.ini": "[pytest]\naddopts = -o python_files=test_two.py\n"}
    )
    base("addopts-strict", {"w/p/pytest.ini": "[pytest]\naddopts = --strict-markers\n"})
    base("testpaths-glob", {"w/p/pytest.ini": "[pytest]\ntestpaths = t*/s* test_*.py\n"})
    base("testpaths-recursive", {"w/p/pytest.ini": "[pytest]\ntestpaths = **/sub\n"})
    base("testpaths-all", {"w/p/pytest.ini": "[pytest]\ntestpaths = **\n", "w/p/.hid/test_h.py": T})
    base("testpaths-nothing", {"w/p/pytest.ini": "[pytest]\ntestpaths = nope*\n"})
    base(
        "testpaths-dots",
        {"w/p/pytest.ini": "[pytest]\ntestpaths = ./tests/ tests/../test_top.py\n"},
    )
    base("testpaths-args", {"w/p/pytest.ini": "[pytest]\ntestpaths = tests\n"}, ["test_top.py"])
    base(
        "continuations",
        {
            "w/p/pytest.ini": "[pytest]\ntestpaths =\n    tests\n    # no\n    test_top.py\naddopts =\n  -v\n"
        },
    )
    base("ini-duplicate", {"w/p/pytest.ini": "[pytest]\na=1\na=2\n"})
    base("ini-no-section", {"w/p/pytest.ini": "a=1\n"})
    base("ini-unexpected", {"w/p/pytest.ini": "[pytest]\nwhat\n"})
    base("ini-bool-wrong", {"w/p/pytest.ini": "[pytest]\nconsider_namespace_packages = perhaps\n"})
    base(
        "ini-values",
        {
            "w/p/pytest.ini": "[pytest]\nusefixtures = a b\npython_classes=Test Check\npython_functions = test check_*\nnorecursedirs = sub\ncache_dir = x/$HOME\n"
        },
        env={"HOME": "h"},
    )
    base("cache-tox", {}, env={"TOX_ENV_DIR": "/w/tox"})
    base("pythonpath", {"w/p/tests/pytest.ini": "[pytest]\npythonpath = src .\n"}, ["tests"])
    base("cluster", {}, ["-vxk", "one", "-qm", "not slow"])
    base("glued", {}, ["-kone", "-m=two", "--deselect=tests/test_one.py", "--deselect", "x"])
    base(
        "cache-options",
        {},
        ["--lf", "--ff", "--nf", "--sw", "--sw-skip", "--lfnf=none", "--cache-clear"],
    )
    base("choice-wrong", {}, ["--lfnf=some"])
    base("value-missing", {}, ["-k"])
    base("value-is-option", {}, ["-k", "-v"])
    base("value-with-space", {}, ["-k", "-v or x"])
    base("flag-with-value", {}, ["--lf=1"])
    base("import-mode", {}, ["--import-mode=importlib"])
    base("import-mode-wrong", {}, ["--import-mode", "other"])
    base(
        "confcutdir",
        {"w/p/conftest.py": "", "w/p/tests/conftest.py": ""},
        ["--confcutdir=tests", "tests"],
    )
    base("confcutdir-file", {}, ["--confcutdir=test_top.py"])
    base("noconftest", {"w/p/conftest.py": ""}, ["--noconftest"])
    base("plugins", {}, ["-p", "no:doctest", "-pno:cacheprovider"])
    base("at-file", {"w/p/args.txt": "-k\none\ntests\n"}, ["@args.txt"])
    base("at-file-missing", {}, ["@nope.txt"])
    base(
        "doctest-options",
        {"w/p/README.md": ""},
        ["--doctest-glob=*.md", "--doctest-ignore-import-errors"],
    )
    base("strict", {}, ["--strict"])
    base("ini-bom", {"w/p/pytest.ini": "\ufeff[pytest]\ntestpaths = tests\n"})
    base("relative-to-root", {}, ["--ignore=tests/sub", "--ignore-glob=*/te*two*"])


def layout_cases():
    base("file", {}, ["tests/test_one.py"])
    base("names", {}, ["tests/test_one.py::TestB::test_c", "tests/test_one.py::test_a"])
    base("names-twice", {}, ["test_top.py::test_a", "test_top.py::test_a"])
    base("class-twice", {}, ["test_top.py::TestB", "test_top.py::TestB"])
    base("class-then-method", {}, ["test_top.py::TestB", "test_top.py::TestB::test_c"])
    base("method-then-class", {}, ["test_top.py::TestB::test_c", "test_top.py::TestB"])
    base("name-then-file", {}, ["test_top.py::test_a", "test_top.py"])
    base("file-then-name", {}, ["test_top.py", "test_top.py::test_a"])
    base("file-twice", {}, ["test_top.py", "test_top.py"])
    base("folder-twice", {}, ["tests", "tests"])
    base("folder-then-file", {}, ["tests", "tests/test_one.py"])
    base("file-then-folder", {}, ["tests/test_one.py", "tests"])
    base("sub-then-folder", {}, ["tests/sub", "tests"])
    base("folder-then-sub", {}, ["tests", "tests/sub"])
    base("name-then-folder", {}, ["tests/sub/test_two.py::test_a", "tests"])
    base("interleaved", {}, ["test_top.py::test_a", "tests/test_one.py", "test_top.py::TestB"])
    base("reversed", {}, ["tests", "test_top.py", "."])
    for args in (
        ["tests", "tests"],
        ["test_top.py", "test_top.py"],
        ["tests", "tests/test_one.py"],
        ["test_top.py::TestB", "test_top.py::TestB"],
        ["tests/sub", "."],
    ):
        base("keep-" + "+".join(args), {}, ["--keep-duplicates", *args])
    base("missing", {}, ["nope.py"])
    base("missing-name", {}, ["nope.py::test_a"])
    base("folder-with-names", {}, ["tests::test_a"])
    base("brackets-path", {"w/p/test_[1].py": T}, ["test_[1].py"])
    base("brackets-name", {}, ["test_top.py::test_a[1]"])
    base("not-python", {"w/p/data.json": "{}"}, ["data.json"])
    base(
        "not-python-in-package",
        {"w/p/tests/__init__.py": "", "w/p/tests/data.json": "{}"},
        ["tests/data.json"],
    )
    base("explicit-name", {"w/p/helper.py": T}, ["helper.py"])
    base("explicit-and-folder", {"w/p/helper.py": T}, [".", "helper.py"])
    base("explicit-ignored", {}, ["--ignore=tests/test_one.py", "tests/test_one.py"])
    base("explicit-norecurse", {"w/p/build/test_b.py": T}, ["build"])
    base(
        "explicit-below-norecurse",
        {"w/p/build/x/test_b.py": T, "w/p/build/test_a.py": T},
        ["build/x"],
    )
    base(
        "norecurse",
        {
            f"w/p/{d}/test_{i}.py": T
            for i, d in enumerate(
                [
                    "build",
                    "dist",
                    ".hid",
                    "x.egg",
                    "venv",
                    "node_modules",
                    "CVS",
                    "{arch}",
                    "_darcs",
                    "builds",
                ]
            )
        },
    )
    base("norecurse-path", {"w/p/pytest.ini": "[pytest]\nnorecursedirs = tests/s*\n"})
    base("norecurse-absolute", {"w/p/pytest.ini": "[pytest]\nnorecursedirs = /nope/*\n"})
    base("pycache", {"w/p/__pycache__/test_x.py": T, "w/p/tests/__pycache__/test_y.py": T})
    base("pycache-arg", {"w/p/__pycache__/test_x.py": T}, ["__pycache__"])
    base("venv-cfg", {"w/p/env/pyvenv.cfg": "", "w/p/env/test_v.py": T})
    base("venv-bin", {"w/p/env/bin/activate": "", "w/p/env/test_v.py": T})
    base("venv-conda", {"w/p/env/conda-meta/history": "", "w/p/env/test_v.py": T})
    base(
        "venv-allowed",
        {"w/p/env/pyvenv.cfg": "", "w/p/env/test_v.py": T},
        ["--collect-in-virtualenv"],
    )
    base("venv-arg", {"w/p/env/pyvenv.cfg": "", "w/p/env/test_v.py": T}, ["env"])
    base("ignore", {}, ["--ignore=tests/sub", "--ignore", "./tests/../test_top.py"])
    base("ignore-glob", {}, ["--ignore-glob=*/test_t*"])
    base("ignore-glob-relative", {}, ["--ignore-glob=tests/*"])
    base("collect-ignore", {"w/p/conftest.py": 'collect_ignore = ["tests/sub", "test_top.py"]\n'})
    base("collect-ignore-glob", {"w/p/conftest.py": 'collect_ignore_glob = ["*two.py"]\n'})
    base(
        "collect-ignore-nearest",
        {
            "w/p/conftest.py": 'collect_ignore = ["tests/sub"]\n',
            "w/p/tests/conftest.py": 'collect_ignore = ["test_one.py"]\n',
        },
    )
    base(
        "collect-ignore-both",
        {
            "w/p/conftest.py": 'collect_ignore = ["tests/sub"]\n',
            "w/p/tests/conftest.py": 'collect_ignore_glob = ["*one.py"]\n',
        },
    )
    base("collect-ignore-explicit", {"w/p/conftest.py": 'collect_ignore = ["tests"]\n'}, ["tests"])
    base(
        "collect-ignore-noconftest",
        {"w/p/conftest.py": 'collect_ignore = ["tests"]\n'},
        ["--noconftest"],
    )
    chain = {
        "w/p/conftest.py": "",
        "w/p/tests/conftest.py": "",
        "w/p/tests/sub/conftest.py": "",
        "w/p/other/conftest.py": "",
        "w/p/other/test_o.py": T,
        "w/conftest.py": "",
    }
    base("conftests", chain)
    base("conftests-arg", chain, ["other", "tests/sub/test_two.py"])
    base("conftests-above", chain | {"w/p/tests/sub/pytest.ini": "[pytest]\n"}, ["tests/sub"])
    base("conftests-cut", chain, ["--confcutdir=..", "tests"])
    base(
        "conftests-outside",
        chain | {"w/q/conftest.py": "", "w/q/a/test_q.py": T, "w/p/pytest.ini": "[pytest]\n"},
        ["-c", "pytest.ini", "../q/a"],
    )
    base(
        "outside-file",
        {"w/q/a/test_q.py": T, "w/p/pytest.ini": "[pytest]\n"},
        ["-c", "pytest.ini", "../q/a/test_q.py"],
    )
    base(
        "outside-folder",
        {"w/q/a/test_q.py": T, "w/p/pytest.ini": "[pytest]\n"},
        ["-c", "pytest.ini", "../q"],
    )
    base(
        "outside-packages",
        {
            "w/q/a/__init__.py": "",
            "w/q/a/b/__init__.py": "",
            "w/q/a/b/test_q.py": T,
            "w/p/pytest.ini": "[pytest]\n",
        },
        ["-c", "pytest.ini", "../q"],
    )
    base(
        "above-root",
        {"w/test_w.py": T, "w/p/pytest.ini": "[pytest]\n"},
        ["-c", "pytest.ini", "../test_w.py"],
    )
    base(
        "above-root-folder",
        {"w/test_w.py": T, "w/q/test_q.py": T, "w/p/pytest.ini": "[pytest]\n"},
        ["-c", "pytest.ini", ".."],
    )
    base("rootdir-below", {"w/p/tests/pytest.ini": "[pytest]\n"}, ["--rootdir=tests", "."])
    packages = {
        "w/p/pkg/__init__.py": "",
        "w/p/pkg/test_b.py": T,
        "w/p/pkg/A_test.py": T,
        "w/p/pkg/in/__init__.py": "",
        "w/p/pkg/in/test_i.py": T,
        "w/p/pkg/Zed/test_z.py": T,
    }
    base("packages", packages)
    base("packages-arg", packages, ["pkg/in/test_i.py", "pkg"])
    base(
        "packages-init",
        packages | {"w/p/pytest.ini": "[pytest]\npython_files = *.py\n", "w/p/pkg/__init__.py": T},
    )
    base("packages-init-arg", packages | {"w/p/pkg/__init__.py": T}, ["pkg/__init__.py"])
    base("packages-importlib", packages, ["--import-mode=importlib"])
    base("package-not-identifier", {"w/p/my-pkg/__init__.py": "", "w/p/my-pkg/test_m.py": T})
    base(
        "order",
        {
            f"w/p/{n}": T
            for n in [
                "test_B.py",
                "test_a.py",
                "b/test_1.py",
                "B/test_2.py",
                "test_z/test_3.py",
                "test__.py",
                "test_10.py",
                "test_9.py",
                "a_test.py",
                "été/test_é.py",
            ]
        },
    )
    base("same-name", {"w/p/a/test_x.py": T, "w/p/b/test_x.py": T})
    base(
        "same-name-importlib",
        {"w/p/a/test_x.py": T, "w/p/b/test_x.py": T},
        ["--import-mode=importlib"],
    )
    base(
        "same-name-packages",
        {
            "w/p/a/__init__.py": "",
            "w/p/a/test_x.py": T,
            "w/p/b/__init__.py": "",
            "w/p/b/test_x.py": T,
        },
    )
    base(
        "same-package",
        {
            "w/p/a/tests/__init__.py": "",
            "w/p/a/tests/test_x.py": T,
            "w/p/b/tests/__init__.py": "",
            "w/p/b/tests/test_y.py": T,
        },
    )
    base("stdlib-name", {"w/p/pytest.ini": "[pytest]\npython_files = *.py\n", "w/p/json.py": T})
    base("python-files-path", {"w/p/pytest.ini": "[pytest]\npython_files = tests/*.py\n"})
    base("python-files-set", {"w/p/pytest.ini": "[pytest]\npython_files = test_[!o]*.py\n"})
    base(
        "python-files-many",
        {"w/p/pytest.ini": "[pytest]\npython_files = test_one.py\n  test_two.py\n"},
    )
    base(
        "not-py", {"w/p/test_x.pyc": "", "w/p/test_y.py.txt": "", "w/p/test_z.PY": T, "w/p/.py": ""}
    )
    base("doctest-text", {"w/p/test_doc.txt": ">>> 1\n1\n"})
    base("doctest-text-blocked", {"w/p/test_doc.txt": ">>> 1\n1\n"}, ["-p", "no:doctest"])
    base("doctest-rst-arg", {"w/p/doc.rst": ">>> 1\n1\n"}, ["doc.rst"])
    base(
        "doctest-glob",
        {"w/p/test_doc.txt": ">>> 1\n1\n", "w/p/docs/a.md": ">>> 1\n1\n"},
        ["--doctest-glob=docs/*.md"],
    )
    base(
        "doctest-modules",
        {
            "w/p/mod.py": '"""\n>>> 1\n1\n"""\n',
            "w/p/__main__.py": "1/0\n",
            "w/p/setup.py": "import setuptools; 1/0\n",
        },
        ["--doctest-modules"],
    )
    base("link-folder", links={"w/p/linked": "tests"})
    base("link-folder-arg", {}, ["linked"], links={"w/p/linked": "tests"})
    base("link-file", links={"w/p/test_link.py": "tests/test_one.py"})
    base("link-file-arg", {}, ["test_link.py"], links={"w/p/test_link.py": "tests/test_one.py"})
    base("link-nowhere", links={"w/p/test_link.py": "nope", "w/p/dir": "nope"})
    base("link-nowhere-arg", {}, ["test_link.py"], links={"w/p/test_link.py": "nope"})
    base("link-cycle", links={"w/p/tests/loop": "."})
    base("link-outside", {"w/q/test_q.py": T}, links={"w/p/linked": "../q"})
    base(
        "link-to-package", {"w/p/pk/__init__.py": "", "w/p/pk/test_p.py": T}, links={"w/p/kp": "pk"}
    )
    base(
        "conftest-collected",
        {"w/p/pytest.ini": "[pytest]\npython_files = *.py\n", "w/p/conftest.py": T},
    )
    base("cwd-elsewhere", {"w/q/x": ""}, ["../p/tests"], cwd="w/q")
    base("dotdot", {}, ["tests/../tests/./sub/"])
    base("deep", {"w/p/" + "d/" * 40 + "test_deep.py": T})
    base(
        "test-folders",
        {"w/p/testing/conftest.py": "", "w/p/test_x/conftest.py": "", "w/p/zz/conftest.py": ""},
    )


RUNNER = r"""
import json, os, sys, pathlib, io
cases = json.load(open(sys.argv[1]))
out, top = sys.argv[2:]
import pytest, _pytest.config, _pytest.pathlib
version = tuple(int(x) for x in pytest.__version__.split(".")[:2])
OPTIONS = "ignore ignore_glob keepduplicates collect_in_virtualenv noconftest importmode pyargs markexpr keyword deselect lf failedfirst newfirst stepwise stepwise_skip last_failed_no_failures cacheclear doctestmodules doctestglob doctest_ignore_import_errors collectonly plugins".split()
INI = "python_files python_classes python_functions norecursedirs usefixtures testpaths".split()
class Recorder:
    def __init__(self):
        self.data = {"conftests": [], "errors": []}
    def pytest_plugin_registered(self, plugin):
        name = getattr(plugin, "__file__", None) or ""
        if os.path.basename(name) == "conftest.py":
            self.data["conftests"].append(name)
    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config):
        d = self.data
        d["initial_conftests"] = len(d["conftests"])
        d["config"] = c = {"options": {}, "ini": {}}
        c["rootdir"] = str(config.rootpath)
        c["inifile"] = config.inipath and str(config.inipath)
        c["args"] = [str(a) for a in config.args]
        c["args_source"] = config.args_source.name
        c["confcutdir"] = str(config.pluginmanager._confcutdir)
        for o in OPTIONS:
            c["options"][o] = getattr(config.option, o, None)
        for i in INI:
            c["ini"][i] = config.getini(i)
        c["pythonpath"] = [str(p) for p in config.getini("pythonpath")]
        c["empty_mark"] = config.getini("empty_parameter_set_mark")
        if config.pluginmanager.hasplugin("cacheprovider"):
            c["cache_dir"] = str(_pytest.pathlib.resolve_from_str(config.getini("cache_dir"), config.rootpath))
        if version >= (8, 1):
            c["namespace"] = config.getini("consider_namespace_packages")
        if version >= (9, 0):
            strict = config.getini("strict")
            marks = config.getini("strict_markers")
            c["strict_markers"] = strict if marks is None else marks
        else:
            c["strict_markers"] = bool(config.option.strict_markers or config.option.strict)
    def pytest_collectreport(self, report):
        if report.failed:
            self.data["errors"].append(report.nodeid)
    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, session, items):
        d = self.data
        d["items"] = [i.nodeid for i in items]
        d["files"] = files = {}
        for item in items:
            chain = [n for n in item.listchain() if isinstance(n, pytest.Directory)]
            module = item.getparent(pytest.Module)
            pm = session.config.pluginmanager
            files[str(item.path)] = {
                "folders": [[n.nodeid, n.name, isinstance(n, pytest.Package)] for n in chain],
                "conftests": [m.__file__ for m in pm._getconftestmodules(item.path)],
                "module": module and getattr(module.obj, "__name__", None),
            }
    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session):
        return True
results = {}
for case in cases:
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(r)
        os.environ.update(case["env"])
        os.chdir(os.path.join(top, case["name"], case["cwd"]))
        errors = io.StringIO()
        sys.stdout = io.StringIO()
        sys.stderr = errors
        rec = Recorder()
        sys.dont_write_bytecode = True
        try:
            rec.data["exit"] = int(pytest.main(case["args"], plugins=[rec]))
        except BaseException as e:
            rec.data["exit"] = "crash"
            errors.write("ERROR: " + str(e))
        rec.data["stderr"] = errors.getvalue()
        text = json.dumps(rec.data).replace(os.path.join(top, case["name"]), "")
        with os.fdopen(w, "w") as f:
            f.write(text)
        os._exit(0)
    os.close(w)
    with os.fdopen(r) as f:
        text = f.read()
    os.waitpid(pid, 0)
    results[case["name"]] = json.loads(text)
json.dump(["%d.%d" % version, results], open(out, "w"))
"""


# The lines of stderr that name an error; no traceback, and none of the paths in it.
KEPT = ("ERROR", "(no match")


def main():
    configuration_cases()
    layout_cases()
    recorded = {}
    for venv in sys.argv[1:]:
        with tempfile.TemporaryDirectory() as top:
            top = os.path.realpath(top)
            for one in CASES:
                for path, content in one["files"].items():
                    target = pathlib.Path(top, one["name"], path)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_text(content, encoding="utf-8")
                for path, to in one["links"].items():
                    os.symlink(to, pathlib.Path(top, one["name"], path))
            cases = pathlib.Path(top, "cases.json")
            cases.write_text(json.dumps(CASES))
            runner = pathlib.Path(top, "runner.py")
            runner.write_text(RUNNER)
            out = pathlib.Path(top, "out.json")
            env = {"PATH": os.environ["PATH"], "HOME": "/home/x", "PYTHONDONTWRITEBYTECODE": "1"}
            python = pathlib.Path(venv, "bin", "python")
            subprocess.run([python, runner, cases, out, top], check=True, env=env)
            version, results = json.loads(out.read_text())
            recorded[version] = results
    lines = []
    for one in CASES:
        answers = {}
        for version, results in recorded.items():
            result = results[one["name"]]
            said = result["stderr"].splitlines()
            said = [line for line in said if line.startswith(KEPT) or "error:" in line]
            result["stderr"] = "\n".join(said)[-600:]
            text = json.dumps(result, sort_keys=True, ensure_ascii=False)
            answers.setdefault(text, []).append(version)
        one["answers"] = [[versions, json.loads(text)] for text, versions in answers.items()]
        lines.append(json.dumps(one, ensure_ascii=False, sort_keys=True))
    HERE.joinpath("pytest.json").write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")
    print(len(CASES), "cases", {k: len(v) for k, v in recorded.items()})


main()
