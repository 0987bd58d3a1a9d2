"""What `dyno test` does about the models that its tests name, against a local Hub."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Cut, Echo, Fault, Hold, Hub, Status, Wrong, gated, rate_limit
from running import (
    DYNO,
    Run,
    environment,
    journal,
    last_start,
    run_dyno,
    run_pytest,
    start_dyno,
    write_suite,
)

TOKEN = "hf_0123456789abcdef"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}" * 500,
    "tokenizer_config.json": b"{}",
    "model.safetensors": bytes(range(256)) * 400,
}
HEADER = """
import json, os, subprocess, sys, pytest, dyno

def path_of(name):
    from huggingface_hub import snapshot_download
    return snapshot_download(name)

def is_offline():
    return os.environ.get("HF_HUB_OFFLINE"), os.environ.get("TRANSFORMERS_OFFLINE")
"""


@pytest.fixture
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of the cache, which is not there yet."""
    return tmp_path_factory.mktemp("cache") / "hf"


@pytest.fixture
def hub(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A Hub with a few models, which dyno and its tests find; the cache is empty."""
    with Hub(tokens={TOKEN}) as hub:
        for name in ("org/one", "org/two", "org/three"):
            hub.add(name, FILES)
        hub.add("org/gated", FILES, gated=True)
        wanted = hub.environment(home)
        for name in os.environ.keys() - wanted.keys():
            monkeypatch.delenv(name)
        for name, value in wanted.items():
            monkeypatch.setenv(name, value)
        yield hub


def suite(folder: Path, text: str, **more: str) -> None:
    write_suite(folder, {"test_a.py": HEADER + text, **more})


def fetched(hub: Hub) -> set[str]:
    """The models of which a file was asked for."""
    return {"/".join(one.path.split("/")[1:3]) for one in hub.asked("/*/resolve/*")}


def told(folder: Path, kind: str) -> list[dict[str, object]]:
    """The events of a kind, of the last run."""
    return [event for event in journal(folder) if event["event"] == kind]


def test_what_is_selected_is_fetched_once(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.mark.model("org/one")
@pytest.mark.parametrize("n", range(6))
def test_one(n):
    assert is_offline() == ("1", "1")
    assert json.load(open(path_of("org/one") + "/config.json"))

@pytest.mark.parametrize("name", [
    pytest.param("org/one", marks=pytest.mark.model("org/one")),
    pytest.param("org/two", marks=pytest.mark.model("org/two")),
])
def test_param(name): path_of(name)

@pytest.mark.model("org/three")
def test_other(): pass
""",
    )
    run = run_dyno(tmp_path, "-n2", "-k", "not other and not two")
    assert run.code == 0, run.text
    assert fetched(hub) == {"org/one"}
    gets = Counter((one.server, one.path) for one in hub.asked("/org/*", "GET"))
    assert set(gets.values()) == {1}, gets
    assert f"fetched org/one: {sum(map(len, FILES.values())) // 1024}" in run.stdout
    ready = told(tmp_path, "model_ready")
    assert [one["commit"] for one in ready] == [hub.models["org/one"].head]
    # The second time all is there, and there is nothing to say.
    again = run_dyno(tmp_path, "-n1")
    assert (again.code, fetched(hub)) == (0, {"org/one", "org/two", "org/three"}), again.text
    hub.requests.clear()
    last = run_dyno(tmp_path)
    assert last.code == 0
    assert "org/" not in last.stdout
    assert fetched(hub) == set()


def test_pytest_decides_first(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
import unittest
gone = pytest.mark.model("org/none")

@gone
@pytest.mark.skip(reason="not here")
def test_skip(): pass

@gone
@pytest.mark.skipif("sys.version_info > (3,)", reason="too new")
def test_skipif(): pass

@gone
@pytest.mark.skipif("nonsense")
def test_broken_condition(): pass

@gone
@pytest.mark.xfail(run=False)
def test_not_run(): pass

@gone
class TestOld(unittest.TestCase):
    @unittest.skip("old")
    def test_old(self): pass

@gone
def test_hook_skips(): pass

@pytest.mark.model("org/one")
@pytest.mark.xfail
def test_expected(): assert False

@pytest.mark.model("org/one")
@pytest.mark.xfail
def test_unexpected(): pass
""",
        **{
            "conftest.py": """
import pytest
def pytest_runtest_setup(item):
    if item.name == "test_hook_skips": pytest.skip("by a hook")
"""
        },
    )
    expected = run_pytest(tmp_path)
    assert hub.requests == []
    for workers in ("-n1", "-n2"):
        run = run_dyno(tmp_path, workers)
        assert run.outcomes == expected.outcomes, run.text
        assert run.code == expected.code
    # The hook's mind and the condition's are known to pytest alone.
    asked = {one.path.partition("/revision/")[0] for one in hub.asked("/api/*")}
    assert asked == {"/api/models/org/one", "/api/models/org/none"}
    only = run_dyno(tmp_path, "-k", "test_skip or not_run or old")
    assert only.code == 0, only.text
    assert told(tmp_path, "model_unavailable") == []


CANNOT = """
@pytest.mark.model("org/one")
def test_needs(): open("ran", "w").close()

@pytest.mark.model("org/one")
@pytest.mark.xfail(reason="known")
def test_expected(): open("ran", "w").close()

def test_free(): pass

@pytest.mark.model("org/two")
def test_other(): path_of("org/two")
"""


@pytest.mark.parametrize(
    ("pattern", "fault", "words"),
    [
        ("/org/one/*", gated(), ["gated", "ask for access on"]),
        ("/api/models/org/one/*", Status(404, "RepoNotFound"), ["has no model", "check the name"]),
        ("/api/models/org/one/*", Status(401), ["org/one", "hint:"]),
        ("/api/models/org/one/*", rate_limit(100_000), ["rate of requests", "try again later"]),
        ("/org/one/*", Wrong(), ["wrong checksum"]),
        ("/org/one/*", Cut(after=0), ["cut", "of org/one", "try again later"]),
    ],
    ids=["gated", "gone", "refused", "limited", "wrong", "cut"],
)
def test_a_model_that_cannot_be_had_is_named(
    hub: Hub, tmp_path: Path, pattern: str, fault: Fault, words: list[str]
) -> None:
    hub.order(pattern, fault, times=None)
    suite(tmp_path, CANNOT)
    run = run_dyno(tmp_path, "-n2")
    assert run.code == 1, run.text
    assert run.outcomes == {
        "test_a.py::test_needs": ("error",),
        "test_a.py::test_expected": ("xfailed",),
        "test_a.py::test_free": ("passed",),
        "test_a.py::test_other": ("passed",),
    }
    assert not (tmp_path / "ran").exists()
    assert "org/one cannot be had (2 tests need it)" in run.stdout
    section = run.stdout.partition("ERROR at setup of test_needs")[2].partition("short test")[0]
    assert "dyno: org/one cannot be had: " in section
    assert "\nhint: " in section
    assert "Traceback" not in run.text and "plugin.py" not in section
    for word in words:
        assert word in section, section


def test_without_a_network_the_cache_is_used(hub: Hub, tmp_path: Path) -> None:
    suite(tmp_path, CANNOT)
    assert run_dyno(tmp_path, "-k", "other").code == 0
    hub.close()
    run = run_dyno(tmp_path, "-n2")
    assert run.outcomes["test_a.py::test_other"] == ("passed",)
    assert run.outcomes["test_a.py::test_needs"] == ("error",)
    assert "what the cache has of it is used" in run.stdout
    assert "cannot reach" in run.stdout and "check the network" in run.stdout


def test_a_branch_that_has_moved_is_fetched(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.mark.model("org/one")
def test_one(): print(open(path_of("org/one") + "/config.json").read())

@pytest.mark.model("org/one", revision="v1")
def test_old():
    from huggingface_hub import snapshot_download
    assert "llama" in open(snapshot_download("org/one", revision="v1") + "/config.json").read()
""",
    )
    hub.models["org/one"].revisions["v1"] = hub.models["org/one"].head
    assert run_dyno(tmp_path, "-n1").code == 0
    hub.models["org/one"].commit({**FILES, "config.json": b'{"moved": true}'})
    run = run_dyno(tmp_path, "-n1", "-rP")
    assert run.code == 0
    assert '{"moved": true}' in run.stdout


def test_names_that_are_none_and_names_that_are_not_the_hubs(hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "org" / "local").mkdir(parents=True)
    suite(
        tmp_path,
        """
@pytest.mark.model("org//x", revision="../y", files="weights")
def test_bad(): pass

@pytest.mark.model("/models/x", "./x", "~/x", "../x", "org/local", int, b"org/x", None, object())
def test_left_alone():
    assert is_offline() == (None, None)

@pytest.mark.model
def test_empty(): pass

@pytest.mark.model(name="org/one", size="small")
def test_keyword(): path_of("org/one")
""",
    )
    run = run_dyno(tmp_path, "-n2")
    assert run.closing_counts() == Counter(passed=3, error=1), run.text
    for word in ('"org//x" is no model', '"../y" is no revision', 'files="weights" is none of'):
        assert word in run.stdout
    assert fetched(hub) == {"org/one"}


def test_fixtures_name_models(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.fixture(scope="module")
@dyno.model("org/one", files="tokenizer")
def tokenizer(): return path_of("org/one")

@pytest.fixture
def above(tokenizer): return tokenizer

def test_fixture(above):
    assert "tokenizer.json" in os.listdir(above)
    assert "model.safetensors" not in os.listdir(above)

class TestIn:
    @pytest.fixture
    @dyno.model("org/two", files="weightless")
    def engine(self): return path_of("org/two")

    def test_class(self, engine): assert "config.json" in os.listdir(engine)

@dyno.model("org/none")
def unused(): pass
""",
    )
    run = run_dyno(tmp_path, "-n2")
    assert run.code == 0, run.text
    assert hub.asked("*.safetensors") == []
    wrong = """
import pytest, dyno
@dyno.model("org/one")
@pytest.fixture
def wrong(): pass
"""
    write_suite(tmp_path, {"test_wrong.py": wrong})
    assert "belongs under @pytest.fixture" in run_pytest(tmp_path, "test_wrong.py").stdout


def test_dynamos_fixtures_say_how_much_is_needed(hub: Hub, tmp_path: Path) -> None:
    conftest = """
import pytest
def pytest_collection_modifyitems(config, items):
    config.models_to_download = {m.args[0] for i in items for m in i.iter_markers("model")}

@pytest.fixture(scope="session")
def predownload_models(pytestconfig):
    from huggingface_hub import snapshot_download
    return [snapshot_download(name) for name in pytestconfig.models_to_download]

@pytest.fixture(scope="session")
def predownload_tokenizers(pytestconfig):
    from huggingface_hub import snapshot_download
    return [snapshot_download(name, ignore_patterns=["*.safetensors"])
            for name in pytestconfig.models_to_download]
"""
    suite(
        tmp_path,
        """
@pytest.mark.model("org/one")
def test_tokens(predownload_tokenizers): assert len(predownload_tokenizers) == 1
""",
        **{"conftest.py": conftest},
    )
    assert run_dyno(tmp_path, "-n2").code == 0
    assert hub.asked("*.safetensors") == []
    assert hub.asked("*/tokenizer.json") != []
    text = """
@pytest.mark.model("org/one")
def test_both(predownload_tokenizers, predownload_models): pass
"""
    suite(tmp_path, text, **{"conftest.py": conftest})
    assert run_dyno(tmp_path, "-n2").code == 0
    assert hub.asked("*.safetensors") != []


OFFLINE = """
import huggingface_hub.constants

SERVER = '''
import os
from huggingface_hub import snapshot_download, constants
print(os.path.basename(snapshot_download("org/one")), constants.HF_HUB_OFFLINE)
'''

MARK
@pytest.mark.model("org/one")
def test_one(tmp_path):
    assert huggingface_hub.constants.HF_HUB_OFFLINE is True
    here = os.path.basename(path_of("org/one"))
    ran = subprocess.run([sys.executable, "-c", SERVER], capture_output=True, text=True)
    assert ran.stdout.split() == [here, "True"], ran.stderr
    with pytest.raises(Exception, match="(?i)offline|outgoing|cannot find"):
        path_of("org/two")

def test_free():
    assert is_offline() == (None, None)
    assert huggingface_hub.constants.HF_HUB_OFFLINE is False
"""


@pytest.mark.parametrize("mark", ["", "@pytest.mark.e2e"], ids=["shared", "sealed"])
@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_tests_run_offline(hub: Hub, tmp_path: Path, mark: str, workers: str) -> None:
    suite(tmp_path, OFFLINE.replace("MARK", mark))
    run = run_dyno(tmp_path, workers)
    assert run.code == 0, run.text
    # The servers asked nobody either: one listing, and each file once.
    assert len(hub.asked("/api/*")) == 1


@pytest.mark.usefixtures("hub")
def test_a_unit_is_offline_as_a_whole(tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.fixture(scope="module")
def server(): return is_offline()

def test_first(server): assert server == ("1", "1")

@pytest.mark.model("org/one")
def test_second(server): assert server == ("1", "1")
""",
    )
    for workers in ("-n1", "-n2"):
        run = run_dyno(tmp_path, workers)
        assert run.code == 0, run.text


def test_units_without_models_do_not_wait(hub: Hub, tmp_path: Path) -> None:
    may_go_on = threading.Event()
    hub.order("*.safetensors", Hold(may_go_on), server="storage")
    suite(
        tmp_path,
        """
@pytest.mark.model("org/one")
def test_one(): path_of("org/one")

def test_free(): open("free", "w").close()
""",
    )
    dyno = start_dyno(tmp_path, "-n2")
    while not (tmp_path / "free").exists():
        assert dyno.poll() is None
        os.sched_yield()
    assert told(tmp_path, "model_ready") == []
    may_go_on.set()
    output, _ = dyno.communicate(timeout=60)
    assert dyno.returncode == 0, output


@pytest.mark.parametrize("args", [[], ["--deadline=5s"]], ids=["signal", "deadline"])
@pytest.mark.parametrize("workers", ["-n1", "-n2"])
def test_a_stop_ends_the_fetch(hub: Hub, tmp_path: Path, args: list[str], workers: str) -> None:
    never = threading.Event()
    hub.order("*.safetensors", Hold(never), server="storage")
    suite(tmp_path, '@pytest.mark.model("org/one")\ndef test_one(): path_of("org/one")\n')
    dyno = start_dyno(tmp_path, workers, *args)
    while not hub.asked("*.safetensors"):
        assert dyno.poll() is None
        os.sched_yield()
    if not args:
        dyno.send_signal(signal.SIGINT)
    output, _ = dyno.communicate(timeout=30)
    never.set()
    assert dyno.returncode == 2, output
    # What came is continued, and nothing is locked.
    hub.forget_orders()
    run = run_dyno(tmp_path, workers)
    assert run.code == 0, run.text


@pytest.mark.usefixtures("hub")
def test_maxfail_counts_them(tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.mark.model("org/none")
def test_none(): pass

def test_after(): pass
""",
    )
    run = run_dyno(tmp_path, "-n1", "-x", "--retries=3")
    assert run.code == 1
    assert run.outcomes == {"test_a.py::test_none": ("error",)}


def test_only_what_is_left_is_fetched_for_a_resumed_run(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
import time

@pytest.mark.model("org/one")
def test_one(): pass

@pytest.mark.model("org/two")
def test_two():
    while os.path.exists("wait"): time.sleep(0.01)
""",
    )
    (tmp_path / "wait").touch()
    dyno = start_dyno(tmp_path, "-n1")
    written = tmp_path / ".dyno" / "latest" / "journal.jsonl"
    # The end of the first is told before the beginning of the second, and both are on disk then.
    while not (written.exists() and '"test_a.py::test_two"' in last_start(written)):
        assert dyno.poll() is None
        os.sched_yield()
    dyno.kill()
    dyno.communicate(timeout=60)
    (tmp_path / "wait").unlink()
    hub.requests.clear()
    run = run_dyno(tmp_path, "--resume")
    assert run.code == 0, run.text
    assert [one.path for one in hub.asked("/api/*")] == ["/api/models/org/two/revision/main"]


def test_a_partition_fetches_its_part(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.mark.model("org/one")
def test_one(): pass

@pytest.mark.model("org/two")
def test_two(): pass
""",
    )
    assert run_dyno(tmp_path, "--partition", "slice:2/2").code == 0
    assert fetched(hub) == {"org/two"}
    assert run_dyno(tmp_path, "--collect-only").code == 0
    collected = subprocess.run([DYNO, "collect"], cwd=tmp_path, env=environment(), check=False)
    assert (collected.returncode, fetched(hub)) == (0, {"org/two"})


SETTING = """
@pytest.mark.model("org/one")
def test_one():
    assert is_offline() == WANTED
    path_of("org/one")
"""


def test_the_setting_and_the_option(
    hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = SETTING.replace("WANTED", '("1", "1")')
    suite(tmp_path, text, **{"pyproject.toml": '[tool.dyno]\nmodels = "cached"\n'})
    absent = run_dyno(tmp_path, "-n1")
    assert (absent.code, hub.requests) == (1, [])
    assert "is not in the cache" in absent.stdout
    assert "dyno models prefetch org/one" in absent.stdout
    assert run_dyno(tmp_path, "-n1", "--models=fetch").code == 0
    hub.requests.clear()
    assert run_dyno(tmp_path, "-n1").code == 0
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    offline = run_dyno(tmp_path, "-n1", "--models=fetch", "-k", "one")
    assert "TRANSFORMERS_OFFLINE" not in os.environ
    assert (offline.code, hub.requests) == (0, [])
    monkeypatch.delenv("HF_HUB_OFFLINE")
    suite(tmp_path, SETTING.replace("WANTED", "(None, None)"))
    ignored = run_dyno(tmp_path, "-n1", "--models", "ignore")
    assert ignored.code == 0, ignored.text
    refused = run_dyno(tmp_path, "--models=sometimes")
    assert refused.code == 4
    assert "`fetch`, `cached` or `ignore`" in refused.stderr


@pytest.mark.usefixtures("hub")
def test_another_cache(home: Path, tmp_path: Path) -> None:
    suite(tmp_path, SETTING.replace("WANTED", '("1", "1")'))
    run = run_dyno(tmp_path, "-n2", "--models-dir", "models here")
    assert run.code == 0, run.text
    assert (tmp_path / "models here" / "models--org--one" / "refs" / "main").exists()
    assert not (home / "hub" / "models--org--one").exists()


@pytest.mark.usefixtures("hub")
def test_a_conftest_decides_where_the_cache_is(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    conftest = f"import os\nos.environ['HF_HOME'] = {str(elsewhere)!r}\n"
    suite(tmp_path, SETTING.replace("WANTED", '("1", "1")'), **{"conftest.py": conftest})
    run = run_dyno(tmp_path, "-n2")
    assert run.code == 0, run.text
    assert (elsewhere / "hub" / "models--org--one").exists()


@pytest.mark.parametrize("in_file", [False, True], ids=["variable", "file"])
def test_the_token_is_nowhere(
    hub: Hub, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_file: bool
) -> None:
    hub.models["org/gated"].readers.add(TOKEN)
    hub.order("/api/models/org/two/*", Echo(401), times=None)
    hub.order("/org/three/*", Echo(500), times=None)
    if in_file:
        home.mkdir()
        (home / "token").write_text(TOKEN)
    else:
        monkeypatch.setenv("HF_TOKEN", TOKEN)
    suite(
        tmp_path,
        """
@pytest.mark.model("org/gated")
def test_gated(): path_of("org/gated")

@pytest.mark.model("org/two", "org/three")
def test_echo(): pass
""",
    )
    run = run_dyno(tmp_path, "-n2", "--junitxml=junit.xml", "-vv")
    assert run.outcomes["test_a.py::test_gated"] == ("passed",), run.text
    assert run.outcomes["test_a.py::test_echo"] == ("error",)
    assert any(one.token == TOKEN for one in hub.requests)
    assert not any(one.token for one in hub.requests if one.server == "storage")
    report = subprocess.run(
        [DYNO, "report"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    assert "org/three cannot be had" in report.stdout
    assert TOKEN not in run.text + report.stdout + report.stderr
    written = [*tmp_path.rglob("*"), *home.rglob("*")]
    kept = [path for path in written if path.is_file() and path.name != "token"]
    assert kept
    assert not [path for path in kept if TOKEN.encode() in path.read_bytes()]


def test_the_report_tells_it_again(hub: Hub, tmp_path: Path) -> None:
    hub.order("/api/models/org/two/*", rate_limit(2))
    suite(tmp_path, CANNOT.replace("org/one", "org/none"))
    run = run_dyno(tmp_path, "-n2")
    said = [line for line in run.stdout.splitlines() if line.partition(" ")[0] == "org/two:"]
    assert said and "limits the rate of requests, waiting" in said[0], run.stdout
    report = subprocess.run(
        [DYNO, "report"], cwd=tmp_path, env=environment(), capture_output=True, text=True
    )
    # Lines of pytest-asyncio's warning are not the report's.
    assert report.stdout.rstrip() in run.stdout
    quiet = run_dyno(tmp_path, "-n2", "-q")
    assert "fetched" not in quiet.stdout
    assert "org/none cannot be had" in quiet.stdout


def test_without_dyno_the_plugin_leaves_models_alone(hub: Hub, tmp_path: Path) -> None:
    suite(
        tmp_path,
        """
@pytest.fixture
@dyno.model("org/none")
def needs(): pass

@pytest.mark.model("bad//name")
def test_one(needs): assert is_offline() == (None, None)
""",
    )
    plain: Run = run_pytest(tmp_path, "--strict-markers")
    assert (plain.code, hub.requests) == (0, []), plain.text
    markers = subprocess.run(
        [sys.executable, "-m", "pytest", "--markers"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
    )
    assert "model(name, revision=None, files='all')" in markers.stdout


def test_two_runs_at_once_fetch_once(hub: Hub, tmp_path: Path) -> None:
    may_go_on = threading.Event()
    hub.order("*.safetensors", Hold(may_go_on), server="storage")
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        suite(folder, '@pytest.mark.model("org/one")\ndef test_one(): path_of("org/one")\n')
    runs = [start_dyno(folder, "-n1") for folder in folders]
    while len(hub.asked("/api/*")) < 2:
        assert all(run.poll() is None for run in runs)
        os.sched_yield()
    may_go_on.set()
    for run in runs:
        output, _ = run.communicate(timeout=60)
        assert run.returncode == 0, output
    weights = FILES["model.safetensors"]
    assert hub.sent("*.safetensors") == len(weights)


@pytest.mark.usefixtures("hub")
def test_events_are_data(tmp_path: Path) -> None:
    suite(tmp_path, CANNOT.replace("org/one", "org/none"))
    run_dyno(tmp_path, "-n2")
    [fetching] = told(tmp_path, "model_fetching")
    [ready] = told(tmp_path, "model_ready")
    [absent] = told(tmp_path, "model_unavailable")
    model = {"name": "org/two", "revision": "main", "files": "all"}
    assert (fetching["model"], ready["model"]) == (model, model)
    assert ready["bytes"] == fetching["of"] == sum(map(len, FILES.values()))
    assert absent["tests"] == 2
    assert json.dumps(absent["model"]).count("org/none") == 1
