"""What a collection depended on: files, folders, variables, and what cannot be kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from asking import Told, collect, template
from running import write_suite


def collect_one(folder: Path, text: str, files: dict[str, str] | None = None) -> Told:
    """Collect a `test_a.py` of this text beside a file that does nothing."""
    write_suite(folder, {"test_a.py": text, "test_b.py": "def test_b(): pass\n", **(files or {})})
    told = collect(folder)
    assert told.collection["failures"] == []
    other = told.record("test_b.py")
    for field in ("imports", "reads", "lists", "looks", "variables", "uncacheable"):
        assert other[field] == [], field
    return told


@pytest.mark.parametrize(
    "text",
    [
        "open('data.json').close()\n",
        "import pathlib\npathlib.Path('data.json').read_text()\n",
        "import os\nos.close(os.open('data.json', os.O_RDONLY))\n",
        "def pytest_generate_tests(metafunc): open('data.json').close()\ndef test_a(): pass\n",
        "class TestA:\n    open('data.json').close()\n",
    ],
)
def test_files_that_are_read(tmp_path: Path, text: str) -> None:
    told = collect_one(tmp_path, text, {"data.json": "{}"})
    assert told.record("test_a.py")["reads"] == [str(tmp_path / "data.json")]


def test_a_file_that_is_only_written_is_no_dependency(tmp_path: Path) -> None:
    told = collect_one(tmp_path, "open('out', 'w').close()\nopen('out', 'ab').close()\n")
    assert told.record("test_a.py")["reads"] == []


def test_what_the_collection_itself_makes_is_no_dependency(tmp_path: Path) -> None:
    place = str(tmp_path / "made")
    text = (
        "import os, tempfile\n"
        f"with open({place!r}, 'w') as file: file.write('a')\n"
        f"with open({place!r}) as file: X = file.read()\n"
        "def folder(mkdtemp=tempfile.__dict__['mkdtemp']):\n"
        f"    made = mkdtemp(dir={str(tmp_path)!r})\n"
        "    open(os.path.join(made, 'a'), 'w').close()\n"
        "    return os.listdir(made), os.path.exists(os.path.join(made, 'b'))\n"
        "folder()\n"
    )
    record = collect_one(tmp_path, text).record("test_a.py")
    assert (record["reads"], record["lists"], record["uncacheable"]) == ([], [], [])
    looks = {look["path"]: look["found"] for look in record["looks"]}
    assert looks.pop(place) == "nothing"
    assert looks.keys() <= {str(tmp_path)}


def test_what_was_there_before_is_a_dependency_though_it_is_written(tmp_path: Path) -> None:
    text = "with open('data', 'a+') as file:\n    file.seek(0)\n    X = file.read()\n"
    told = collect_one(tmp_path, text, {"data": "1"})
    assert told.record("test_a.py")["reads"] == [str(tmp_path / "data")]


@pytest.mark.parametrize(
    "text",
    [
        "import os\nos.listdir('cases')\n",
        "import os\nlist(os.scandir('cases'))\n",
        "import glob\nglob.glob('cases/*.json')\n",
        "import pathlib\nlist(pathlib.Path('cases').iterdir())\n",
        "import pathlib\nlist(pathlib.Path('cases').glob('*.json'))\n",
        "import os\nlist(os.walk('cases'))\n",
    ],
)
def test_folders_that_are_listed(tmp_path: Path, text: str) -> None:
    told = collect_one(tmp_path, text, {"cases/1.json": ""})
    assert told.record("test_a.py")["lists"] == [str(tmp_path / "cases")]


@pytest.mark.parametrize(
    "question",
    [
        "os.path.exists({0!r})",
        "os.path.isfile({0!r})",
        "os.path.lexists({0!r})",
        "os.access({0!r}, os.R_OK)",
        "pathlib.Path({0!r}).exists()",
        "pathlib.Path({0!r}).is_file()",
        "shutil.which({0!r})",
    ],
)
def test_questions_whether_something_is_there(tmp_path: Path, question: str) -> None:
    there, absent = str(tmp_path / "there"), str(tmp_path / "absent")
    lines = [f"    {question.format(path)}\n" for path in (there, absent)]
    text = "import os, pathlib, shutil\nif True:\n" + "".join(lines)
    told = collect_one(tmp_path, text, {"there": ""})
    looks = {look["path"]: look["found"] for look in told.record("test_a.py")["looks"]}
    assert (looks[there], looks[absent]) == ("file", "nothing")


@pytest.mark.parametrize(
    "question",
    [
        "os.environ.get('FIGURE')",
        "os.environ['FIGURE']",
        "os.getenv('FIGURE')",
        "os.getenvb(b'FIGURE')",
        "'FIGURE' in os.environ",
        "os.environ.setdefault('FIGURE', 'x')",
        "os.environ.pop('FIGURE')",
    ],
)
def test_variables_that_are_read(tmp_path: Path, question: str) -> None:
    write_suite(tmp_path, {"test_a.py": f"import os\n{question}\n"})
    told = collect(tmp_path, FIGURE="3")
    assert told.record("test_a.py")["variables"] == [{"name": "FIGURE", "value": "3"}]


def test_an_absent_variable_and_one_of_the_projects_own(tmp_path: Path) -> None:
    text = "import os\nos.getenv('ABSENT')\nos.environ['OWN'] = 'x'\nos.environ['OWN']\n"
    told = collect_one(tmp_path, text)
    assert told.record("test_a.py")["variables"] == [{"name": "ABSENT", "value": None}]
    assert not told.record("test_a.py")["whole_environment"]


@pytest.mark.parametrize("text", ["os.environ.copy()", "dict(os.environ)", "list(os.environ)"])
def test_the_environment_as_a_whole(tmp_path: Path, text: str) -> None:
    write_suite(tmp_path, {"test_a.py": f"import os\n{text}\n"})
    assert collect(tmp_path).record("test_a.py")["whole_environment"]


# The hook draws after the import of the file that seeds.
TODAY = {
    "package/__init__.py": "",
    "package/today.py": "TEXT = 'a'\nimport datetime\ndef at(): return datetime.datetime.now()\n",
}
SEEDED_BEFORE = """
import random
random.seed(1)
def test_a(): pass
def pytest_generate_tests(metafunc): random.random()
"""


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("import subprocess\nsubprocess.run(['true'])\n", "starts a process"),
        ("import os\nos.system('true')\n", "starts a process"),
        ("import socket\nsocket.socket().bind(('', 0))\n", "binds a socket"),
        ("import socket\nsocket.socket().bind(('127.0.0.1', 48731))\n", "binds a socket"),
        (
            "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\nX = s.getsockname()\n",
            "looks at a socket's address",
        ),
        (
            "import socket\ns = socket.socket()\ns.bind(('127.0.0.1', 0))\nX = s.fileno()\n",
            "looks at a socket's address",
        ),
        ("import random\nX = random.choice([1, 2])\n", "draws random numbers"),
        ("import random\nX = random.random()\n", "draws random numbers"),
        ("from random import random\nX = random()\n", "draws random numbers"),
        ("import random\nX = random.gauss(0, 1)\n", "draws random numbers"),
        ("import random\nX = random.SystemRandom().choice('ab')\n", "call `choice`"),
        ("import random\nrandom.seed(1)\nimport colorsys\nrandom.random()\n", "draws random"),
        ("import random\nrandom.seed()\nX = random.random()\n", "draws random numbers"),
        (SEEDED_BEFORE, "draws random numbers"),
        ("import time\nX = time.time()\n", "its own lines call `time`"),
        ("from uuid import uuid4\nX = [uuid4() for _ in '12']\n", "its own lines call `uuid4`"),
        ("import datetime\nclass A:\n    x = datetime.datetime.now()\n", "call `now`"),
        ("from time import time as clock\nX = clock()\n", "its own lines call `time`"),
        ("import time\nX = time\nY = X.time()\n", "its own lines call `time`"),
        ("class A:\n    from time import time\n    x = time()\n", "its own lines call `time`"),
        (
            "import datetime\nif 1 in {}:\n    datetime = None\nX = datetime.time(1)\n",
            "its own lines call `time`",
        ),
        (
            "import time\ndef cases(): return [time.time()]\nX = cases()\n",
            "`cases`, and that `time`",
        ),
        (
            """def inner():
    from uuid import uuid4
    return uuid4()
def outer(): return [inner() for _ in "ab"]
X = outer()
""",
            "`inner`, and that `uuid4`",
        ),
        (
            """import time
class Cases:
    def of(self): return self.inner()
    def inner(self): return time.time()
X = Cases().of()
""",
            "`Cases.inner`, and that `time`",
        ),
        ("import time\nX = (lambda: time.time())()\n", "its own lines call `time`"),
        (
            "import time\ndef pytest_generate_tests(metafunc): time.time()\n",
            "`pytest_generate_tests`, and that `time`",
        ),
        ("from package import today\nX = today.at()\n", "`at`, and that `now`"),
    ],
)
def test_what_cannot_be_kept(tmp_path: Path, text: str, reason: str) -> None:
    told = collect_one(tmp_path, text, TODAY)
    assert any(reason in said for said in told.record("test_a.py")["uncacheable"])


@pytest.mark.parametrize(
    "text",
    [
        "from datetime import time\nX = time(1)\n",
        "from datetime import time as at\nclass A:\n    x: at = at(2)\n",
        "import datetime\nX = [datetime.time(hour) for hour in (1, 2)]\n",
        "import socket\nX = socket.gethostname()\n",
        "import time\ndef now(): return time.time()\n",
        "import time\ndef test_now(): assert time.time()\n",
        "import time, pytest\n@pytest.fixture\ndef now(): return time.time()\n",
        "import random\nrandom.seed(42)\nX = random.sample(range(9), 3), random.random()\n",
        "from random import seed, choice\nseed('a')\nX = [choice('ab') for _ in 'ab']\n",
        "import datetime\nX = datetime.datetime(2016, 1, 8)\nY = X.time(), X.strftime('%d')\n",
        "from package import today\nX = today.TEXT\n",
        "from concurrent.futures import thread, process\nX = thread, process\n",
    ],
)
def test_what_is_the_same_each_time(tmp_path: Path, text: str) -> None:
    told = collect_one(tmp_path, text, TODAY)
    assert told.record("test_a.py")["uncacheable"] == []


LIBRARY = (
    "import random\nX = random.randint(1, 9), random.random()\ndef draw(): return random.random()\n"
)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("import library\n", True),
        ("import library\nX = library.draw()\n", False),
        ("import random\nrandom.seed(1)\nimport library\nX = random.random()\n", False),
    ],
)
def test_what_a_library_draws_for_itself(tmp_path: Path, text: str, kept: bool) -> None:
    site = tmp_path / "site-packages"
    write_suite(site, {"library.py": LIBRARY})
    suite = tmp_path / "suite"
    write_suite(suite, {"test_a.py": text})
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    told = collect(suite, PYTHONPATH=path)
    assert (told.record("test_a.py")["uncacheable"] == []) is kept


def test_random_numbers_are_pythons_own_again(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    text = (
        "import random, pytest\n"
        "from random import random as kept\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_sessionfinish():\n"
        "    random.seed(1)\n"
        "    first = kept(), random.random(), random.choice('abcdef')\n"
        "    other = random.Random(1)\n"
        "    second = other.random(), other.random(), other.choice('abcdef')\n"
        "    plain = type(random._inst) is random.Random, type(random.random).__name__\n"
        f"    open({str(seen)!r}, 'w').write(repr((first == second, *plain)))\n"
    )
    write_suite(tmp_path, {"conftest.py": text, "test_a.py": "def test_a(): pass\n"})
    template(tmp_path, {"record": True})
    assert seen.read_text() == repr((True, True, "builtin_function_or_method"))


UNBINDABLE = """
with socket.socket() as s:
    try: s.bind(('203.0.113.7', 0))
    except OSError: pass
"""


@pytest.mark.parametrize(
    ("text", "asked", "possible"),
    [
        ("s = socket.socket()\ns.bind(('127.0.0.1', 0))\ns.close()\n", "127.0.0.1", True),
        (
            "with socket.socket(type=socket.SOCK_DGRAM) as s:\n    s.bind(('127.0.0.1', 0))\n",
            "127.0.0.1",
            True,
        ),
        (
            UNBINDABLE,
            "203.0.113.7",
            False,
        ),
    ],
)
def test_whether_an_address_can_be_bound(
    tmp_path: Path, text: str, asked: str, possible: bool
) -> None:
    told = collect_one(tmp_path, "import socket\n" + text)
    record = told.record("test_a.py")
    assert record["uncacheable"] == []
    kind = "datagram" if "DGRAM" in text else "stream"
    assert record["binds"] == [{"address": asked, "kind": kind, "possible": possible}]


def test_looking_for_a_library_of_the_system_depends_on_its_cache(tmp_path: Path) -> None:
    if not Path("/etc/ld.so.cache").exists():
        pytest.skip("no cache of libraries here")
    told = collect_one(tmp_path, "import ctypes.util\nX = ctypes.util.find_library('c')\n")
    assert told.record("test_a.py")["uncacheable"] == []
    assert "/etc/ld.so.cache" in told.record("test_a.py")["reads"]


def test_what_a_test_does_when_it_runs_is_no_dependency(tmp_path: Path) -> None:
    text = "import os, time, uuid\ndef test_a(): return time.time(), uuid.uuid4(), open('x')\n"
    told = collect_one(tmp_path, text)
    assert told.record("test_a.py")["uncacheable"] == []


def test_whoever_comes_second_depends_on_it_too(tmp_path: Path) -> None:
    """A module is imported once, and may keep what it read."""
    cases = (
        "import functools, json\n"
        "@functools.cache\n"
        "def cases():\n    with open('cases.json') as file: return json.load(file)\n"
    )
    user = "import pytest\nfrom package import cases\nX = cases.cases()\ndef test_a(): pass\n"
    files = {"package/__init__.py": "", "package/cases.py": cases, "cases.json": "[1]"}
    write_suite(tmp_path, {"test_1.py": user, "test_2.py": user, **files})
    told = collect(tmp_path)
    path = str(tmp_path / "package/cases.py")
    for name in ("test_1.py", "test_2.py"):
        assert path in told.record(name)["imports"]
        assert str(tmp_path / "package/__init__.py") in told.record(name)["imports"]
    assert told.record("package/cases.py")["reads"] == [str(tmp_path / "cases.json")]


@pytest.mark.parametrize(
    "text",
    [
        "import helper\n",
        "from helper import X\n",
        "from helper import *\n",
        "import helper as other\n",
        "def test_a():\n    import helper\n",
        "import importlib\nimportlib.import_module('help' + 'er')\n",
    ],
)
def test_imports_however_they_are_written(tmp_path: Path, text: str) -> None:
    # `test_0.py` imports it first, so that `test_a.py` finds it there.
    files = {"helper.py": "X = 1\n", "test_0.py": "import helper\n"}
    told = collect_one(tmp_path, text, files)
    assert str(tmp_path / "helper.py") in told.record("test_a.py")["imports"]


def test_imports_within_a_package(tmp_path: Path) -> None:
    files = {
        "tests/__init__.py": "",
        "tests/helper.py": "",
        "tests/sub/__init__.py": "",
        "tests/sub/test_c.py": "from .. import helper\nfrom ..helper import __name__\n",
        "tests/sub/test_d.py": "from ..helper import __name__\n",
        "tests/test_e.py": "from . import helper\n",
    }
    write_suite(tmp_path, files)
    told = collect(tmp_path)
    for name in ("test_c.py", "test_d.py", "test_e.py"):
        assert str(tmp_path / "tests/helper.py") in told.record(name)["imports"], name


def test_modules_that_are_not_there_and_where_others_came_from(tmp_path: Path) -> None:
    text = "try: import absent\nexcept ImportError: pass\nimport helper, json\n"
    told = collect_one(tmp_path, text, {"helper.py": "", "json2.py": ""})
    assert told.record("test_a.py")["missing"] == ["absent"]
    record = told.collection["record"]
    assert {"absent", "helper", "json"} <= set(record["import_names"])
    assert str(tmp_path) in record["import_folders"]
    assert str(tmp_path / "helper.py") in record["import_candidates"]


def test_a_conftest_has_an_entry_of_its_own(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "conftest.py": "import os\nos.getenv('A')\n"
            "def pytest_collection_modifyitems(): os.getenv('B')\n",
            "test_a.py": "def test_a(): pass\n",
        },
    )
    names = [v["name"] for v in collect(tmp_path).record("conftest.py")["variables"]]
    assert names == ["A", "B"]


def test_a_plugins_doing_is_the_whole_collections(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages"
    write_suite(folder, {"own_plugin.py": "import os\nos.getenv('A')\n"})
    suite = tmp_path / "suite"
    write_suite(suite, {"test_a.py": "def test_a(): pass\n"})
    path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH")]))
    told = collect(suite, "-p", "own_plugin", PYTHONPATH=path)
    assert {"name": "A", "value": None} in told.record("")["variables"]


def test_the_whole_collection_depends_on_a_plugin_of_the_projects_own(tmp_path: Path) -> None:
    text = "import os\ndef pytest_itemcollected(): os.getenv('A')\n"
    conftest = "pytest_plugins = ['own_plugin']\n"
    files = {"own_plugin.py": text, "conftest.py": conftest, "test_a.py": "def test_a(): pass\n"}
    write_suite(tmp_path, files)
    told = collect(tmp_path)
    assert told.record("")["imports"] == [str(tmp_path / "own_plugin.py")]
    assert told.record("own_plugin.py")["variables"] == [{"name": "A", "value": None}]


def test_tests_among_installed_packages_are_seen(tmp_path: Path) -> None:
    folder = tmp_path / "site-packages" / "package" / "tests"
    write_suite(folder, {"test_a.py": "import os\nos.getenv('A')\n"})
    told = collect(folder)
    assert told.record("test_a.py")["variables"] == [{"name": "A", "value": None}]


def test_the_watch_ends_with_the_collection_and_leaves_no_trace(tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    checks = (
        "import os, shutil, sys\n"
        "def state(): return type(os.environ).__module__, os.stat in os.supports_dir_fd, "
        "'_watch' in os.stat.__code__.co_filename if hasattr(os.stat, '__code__') else False\n"
        "AT_IMPORT = state()\n"
        "import pytest\n"
        "@pytest.hookimpl(trylast=True)\n"
        "def pytest_sessionfinish():\n"
        f"    open({str(seen)!r}, 'w').write(repr((AT_IMPORT, state())))\n"
    )
    write_suite(tmp_path, {"conftest.py": checks, "test_a.py": "def test_a(): pass\n"})
    told = template(tmp_path, {"record": True})
    assert told.ids() == ["test_a.py::test_a"]
    assert seen.read_text() == repr((("os", True, True), ("os", True, False)))


def test_an_error_is_shown_as_pytest_shows_it(tmp_path: Path) -> None:
    """The watched functions are on the stack, and must not be in the traceback."""
    for name, line in {"a": "os.stat('absent')", "b": "os.environ['ABSENT']"}.items():
        write_suite(tmp_path, {f"test_{name}.py": f"import os\n{line}\n"})
    watched = template(tmp_path, {"record": True}, "-p", "no:cacheprovider")
    plain = template(tmp_path, {}, "-p", "no:cacheprovider")
    assert "FileNotFoundError" in plain.output
    assert without_time(watched.output) == without_time(plain.output)


def without_time(text: str) -> list[str]:
    return [line for line in text.splitlines() if " in 0." not in line and " in 1." not in line]
