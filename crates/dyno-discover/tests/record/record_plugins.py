"""Records which fixtures tests use where conftests load modules as plugins.

Run as `python3 record_plugins.py OUT.json PYTHON...` with an interpreter for each version of
pytest. Written are the projects, and for each version what every test of them uses: the
names in order. The parameters of fixtures tell in the ids where the one that is used is
defined. `null` where pytest does not collect without errors.
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

RECORDER = """
import json, os, pytest
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items):
    told = {}
    for item in items:
        told[item.nodeid] = item.fixturenames
    with open(os.environ["RECORD_TO"], "w") as file:
        json.dump(told, file)
"""


def fixtures(plugins: "list[str] | None", *names: str) -> str:
    lines = ["import pytest"]
    if plugins is not None:
        lines.append(f"pytest_plugins = {plugins!r}")
    for name in names:
        options = "autouse=True" if name.startswith("auto") else "params=['MODULE']"
        lines.append(f"@pytest.fixture({options})\ndef {name}(): pass")
    return "\n".join(lines) + "\n"


TEST = "def test_x(f, g): pass\n"

PROJECTS = {
    "nested": {
        "conftest.py": fixtures(["one"], "auto_conftest"),
        "one.py": fixtures(["two"], "f", "g", "auto_one"),
        "two.py": fixtures(None, "f", "auto_two"),
        "test_x.py": TEST,
    },
    "several": {
        "conftest.py": fixtures(["one", "two"], "auto_conftest", "auto_shared"),
        "one.py": fixtures(["three"], "f", "g", "auto_one", "auto_shared"),
        "two.py": fixtures(["three"], "f", "auto_two"),
        "three.py": fixtures(None, "g", "f", "auto_three"),
        "test_x.py": TEST,
    },
    "diamond": {
        "conftest.py": fixtures(["one", "two"]),
        "one.py": fixtures(None, "f", "g", "auto_one"),
        "two.py": fixtures(["one", "three"], "f", "g", "auto_two"),
        "three.py": fixtures(["one", "two"], "f", "auto_three"),
        "test_x.py": TEST,
    },
    "circle": {
        "conftest.py": fixtures(["one"], "g"),
        "one.py": fixtures(["two"], "f", "auto_one"),
        "two.py": fixtures(["one"], "f", "auto_two"),
        "test_x.py": TEST,
    },
    "text": {
        "conftest.py": fixtures(None, "g") + "pytest_plugins = 'one'\n",
        "one.py": fixtures(None, "f", "auto_one") + "pytest_plugins = ('two',)\n",
        "two.py": fixtures(None, "f", "g", "auto_two"),
        "test_x.py": TEST,
    },
    "two_conftests": {
        "pytest.ini": "[pytest]\ntestpaths = sub\n",
        "conftest.py": fixtures(["one"], "f", "auto_conftest"),
        "sub/conftest.py": fixtures(["two"], "g", "auto_sub"),
        "one.py": fixtures(None, "f", "g", "auto_one"),
        "two.py": fixtures(["three"], "f", "auto_two"),
        "three.py": fixtures(None, "g", "f", "auto_three"),
        "sub/test_x.py": TEST,
    },
    "not_at_the_top": {
        "conftest.py": fixtures(None, "f", "g"),
        "sub/conftest.py": fixtures(["one"], "auto_sub"),
        "one.py": fixtures(None, "f", "auto_one"),
        "sub/test_x.py": TEST,
    },
    "only_below": {
        "pytest.ini": "[pytest]\ntestpaths = sub\n",
        "sub/conftest.py": fixtures(["one", "two"], "auto_sub", "f"),
        "one.py": fixtures(["two"], "f", "g", "auto_one"),
        "two.py": fixtures(None, "g", "auto_two"),
        "sub/test_x.py": TEST,
    },
    "autouse_override": {
        "conftest.py": fixtures(["one", "two"], "auto_b", "f"),
        "one.py": fixtures(["two"], "auto_a", "auto_b", "g"),
        "two.py": fixtures(None, "auto_b", "auto_a"),
        "test_x.py": TEST,
    },
    "asks_for_itself": {
        "conftest.py": fixtures(["one"], "g"),
        "one.py": fixtures(["two"], "f"),
        "two.py": "import pytest\n@pytest.fixture\ndef f(f, h): pass\n@pytest.fixture\ndef h(): pass\n",
        "test_x.py": TEST,
    },
}


for files in PROJECTS.values():
    for name in files:
        files[name] = files[name].replace("MODULE", Path(name).stem)


def record(python: str, files: "dict[str, str]") -> object:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        for name, text in {"pytest.ini": "[pytest]\n", **files}.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        recorder = Path(folder) / "recorder"
        recorder.mkdir()
        (recorder / "recording_plugin.py").write_text(RECORDER)
        out = Path(folder) / "out.json"
        paths = os.pathsep.join([str(recorder), str(root)])
        environment = {**os.environ, "PYTHONPATH": paths, "RECORD_TO": str(out)}
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        options = ["-p", "recording_plugin", "-p", "no:cacheprovider", "--collect-only", "-q"]
        command = [python, "-m", "pytest", *options]
        ended = subprocess.run(command, cwd=root, env=environment, capture_output=True)
        return json.loads(out.read_text()) if ended.returncode == 0 else None


def main() -> None:
    out, *pythons = sys.argv[1:]
    told = {}
    for python in pythons:
        command = [python, "-c", "import pytest; print(pytest.__version__)"]
        version = subprocess.run(command, capture_output=True, text=True, check=True)
        told[version.stdout.strip()] = {
            name: record(python, files) for name, files in PROJECTS.items()
        }
    text = json.dumps({"projects": PROJECTS, "told": told}, indent=1)
    Path(out).write_text(text + "\n")


if __name__ == "__main__":
    main()
