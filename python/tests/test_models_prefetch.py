"""`dyno models prefetch` against a Hub that fails in every way, and what it says."""

from __future__ import annotations

import os
import pty
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from time import monotonic

import pytest

from hub import (
    Cut,
    Echo,
    Fault,
    Hold,
    Hub,
    IgnoreRange,
    Redirect,
    Silence,
    Slow,
    Status,
    Wrong,
    gated,
    rate_limit,
)
from running import DYNO, TIMEOUT, write_suite

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"
WEIGHTS = bytes(range(256)) * 1000
FILES = {"config.json": b"{}", "tokenizer.json": b"[]", "model.safetensors": WEIGHTS}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({TOKEN}) as hub:
        yield hub


def command(*args: str) -> list[str]:
    return [DYNO, "models", "prefetch", "--pause=1", *args]


def prefetch(
    hub: Hub, home: Path, *args: str, token: str | None = None, **more: str
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        command(*args),
        env=hub.environment(home, token) | more,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert "panicked" not in done.stderr
    assert TOKEN not in done.stdout + done.stderr
    return done


def repository(home: Path) -> Path:
    return home / "hub" / "models--org--name"


def content(home: Path) -> dict[str, bytes]:
    folder = repository(home) / "snapshots"
    commit = (repository(home) / "refs" / "main").read_text()
    files = (folder / commit).rglob("*")
    return {
        str(path.relative_to(folder / commit)): path.read_bytes()
        for path in files
        if path.is_file()
    }


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (Cut(0), 3),
        (Cut(1000), 4),
        (Cut(1000, reset=True), 4),
        (Status(500), 4),
        (Status(502), 1),
        (Status(503), 1),
        (Status(503, headers={"Retry-After": "0"}), 2),
        (rate_limit(0), 3),
        (rate_limit(0, "RateLimit"), 1),
        # A date that is over.
        (rate_limit(formatdate(1_000_000_000, usegmt=True)), 1),
        (Wrong(5), 1),
        (Wrong(5, more=b"more"), 1),
        (Wrong(5, less=2), 1),
        (IgnoreRange(), 2),
        (Slow(50_000, 0.01), 1),
        (Silence(1000), 1),
        (Redirect(""), 2),
        (Status(416), 1),
        # What a storage says of a signature that is too old.
        (Status(403), 1),
    ],
    ids=str,
)
@pytest.mark.parametrize("server", ["hub", "storage"])
def test_what_passes_is_overcome(
    hub: Hub, tmp_path: Path, fault: Fault, times: int, server: str
) -> None:
    if fault == Status(403) and server == "hub":
        pytest.skip("the Hub means it")
    hub.add("org/name", FILES)
    path = "*/model.safetensors" if server == "storage" else "*/config.json"
    hub.order(path, Cut(500), server=server)
    hub.order(path, fault, times=times, server=server)
    done = prefetch(hub, tmp_path, "org/name", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert done.returncode == 0, done.stderr
    assert content(tmp_path) == FILES
    assert not list(repository(tmp_path).rglob("*.incomplete"))


@pytest.mark.parametrize(
    ("path", "fault", "told", "hint"),
    [
        ("*/resolve/*", gated(401), "the model org/name is gated, and no token is set", "HF_TOKEN"),
        ("/api/*", Status(401, message="x"), "has no model org/name, or shows it", "HF_TOKEN"),
        ("/api/*", Status(404, "RepoNotFound"), "has no model org/name", "check the name"),
        ("*/resolve/*", Status(404, "EntryNotFound"), "and does not serve it", "HF_ENDPOINT"),
        ("/api/*", Status(500, body=b'{"error": "no\\u001b[2J luck"}'), "5 attempts", "later"),
        ("/api/*", rate_limit(3600), "for another 3600 s", "HF_TOKEN"),
        ("*/model.safetensors", Wrong(5), "came twice with a wrong checksum: sha256", "between"),
        ("*/model.safetensors", Cut(0), "cut model.safetensors of org/name off after", "later"),
        ("/api/*", Redirect(""), "in a circle", "HF_ENDPOINT"),
        ("/api/*", Redirect("file:///etc/passwd"), "to what is no web address", "HF_ENDPOINT"),
        ("/api/*", Status(200, body=b"<html>"), "what is no listing of a model", "HF_ENDPOINT"),
        ("/api/*", Status(418, message="a teapot"), "with status 418: a teapot", "HF_ENDPOINT"),
        ("*/resolve/*", Status(403, message="no, you"), "forbids to read org/name", "token"),
        ("/api/*", Silence(), "does not answer in time", "network"),
    ],
)
def test_what_does_not_pass_is_said(
    hub: Hub, tmp_path: Path, path: str, fault: Fault, told: str, hint: str
) -> None:
    hub.add("org/name", FILES)
    hub.order(path, fault, times=None, server="storage" if "model" in path else "*")
    done = prefetch(hub, tmp_path, "org/name", HF_HUB_DOWNLOAD_TIMEOUT="1")
    assert done.returncode == 1 and not done.stdout
    error, advice = done.stderr.splitlines()[-2:]
    assert error.startswith("dyno: ") and told in error, done.stderr
    assert advice.startswith("hint: ") and hint in advice, done.stderr
    assert "\x1b" not in done.stderr
    assert not (repository(tmp_path) / "refs" / "main").exists()


def test_a_token_opens_and_is_shown_nowhere(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES, gated=True)
    done = prefetch(hub, tmp_path, "org/name", token=TOKEN)
    assert "the owner of this token has not been let in" in done.stderr
    assert f"{hub.endpoint}/org/name" in done.stderr
    model.readers.add(TOKEN)
    for path in ("/api/*", "*/config.json", "*/model.safetensors"):
        hub.order(path, Echo(500), Echo(503))
    assert prefetch(hub, tmp_path, "org/name", token=TOKEN).returncode == 0
    hub.order("/api/*", Echo(500), times=None)
    done = prefetch(hub, tmp_path, "org/none", token=TOKEN)
    assert done.returncode == 1 and "(you sent Bearer ***)" in done.stderr
    hub.forget_orders()
    hub.order("/api/*", Redirect(f"http://{TOKEN}.invalid/{TOKEN}"), times=None)
    done = prefetch(hub, tmp_path / "other", "org/name", token=TOKEN)
    assert done.returncode == 1 and "***.invalid" in done.stderr
    assert all(one.token is None for one in hub.requests if one.server == "storage")
    assert any(one.token == TOKEN for one in hub.requests if one.server == "hub")
    for file in tmp_path.rglob("*"):
        assert not file.is_file() or TOKEN.encode() not in file.read_bytes()


def test_a_token_is_read_from_the_hubs_file(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES, private=True, readers={TOKEN})
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    (tmp_path / "token").write_text("hf_wrong")
    done = prefetch(hub, tmp_path, "org/name")
    assert f"refuses the token of {tmp_path}/token" in done.stderr
    done = prefetch(hub, tmp_path, "org/name", token="hf_wröng")
    assert done.returncode == 1 and "refuses the token of HF_TOKEN" in done.stderr


def test_every_name_that_is_wrong_is_said(hub: Hub, tmp_path: Path) -> None:
    done = prefetch(hub, tmp_path, "a/b/c", "org/name", "org/na me@../x")
    assert done.returncode == 4 and not hub.requests
    assert done.stderr.count("dyno: ") == 3 and done.stderr.count("hint: ") == 1


def test_one_that_cannot_be_had_does_not_keep_the_others(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    hub.add("gpt2", {"config.json": b"{}"})
    done = prefetch(hub, tmp_path, "org/none", "gpt2", "org/name", "org/name@nope", "org/name")
    assert done.returncode == 1
    assert [line.split("  ")[0] for line in done.stdout.splitlines()] == [
        "gpt2",
        "org/name",
        "org/name",
    ]
    assert done.stderr.count("dyno: ") == 2
    assert 'no revision "nope"' in done.stderr


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "a\\..\\x", "a\nb"])
def test_no_file_is_written_outside(hub: Hub, tmp_path: Path, name: str) -> None:
    hub.add("org/name", {"config.json": b"{}", name: b"x"})
    done = prefetch(hub, tmp_path / "home", "org/name")
    assert done.returncode == 1 and "must not be written" in done.stderr
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_what_was_interrupted_is_continued(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    hub.order("*/model.safetensors", Silence(100_000), server="storage")
    process = subprocess.Popen(
        command("org/name"),
        env=hub.environment(tmp_path) | {"HF_HUB_DOWNLOAD_TIMEOUT": "60"},
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        deadline = monotonic() + TIMEOUT
        halves: list[Path] = []
        while not halves or halves[0].stat().st_size < 100_000:
            assert monotonic() < deadline and process.poll() is None
            halves = list(repository(tmp_path).rglob("*.incomplete"))
        process.send_signal(signal.SIGINT)
        assert process.wait(TIMEOUT) == 2
        assert process.stderr is not None
        assert "what was got is kept" in process.stderr.read()
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    assert hub.sent("*/model.safetensors") == len(WEIGHTS)
    assert content(tmp_path) == FILES


def test_two_that_want_the_same_fetch_it_once(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    until = threading.Event()
    hub.order("*/model.safetensors", Hold(until), server="storage")
    one = subprocess.Popen(command("org/name"), env=hub.environment(tmp_path))
    with one:
        deadline = monotonic() + TIMEOUT
        while not [one for one in hub.requests if one.server == "storage"]:
            assert monotonic() < deadline
        two = subprocess.Popen(
            command("org/name"), env=hub.environment(tmp_path), stderr=subprocess.PIPE, text=True
        )
        with two:
            assert two.stderr is not None
            assert "which another process fetches" in two.stderr.readline()
            until.set()
            assert two.wait(TIMEOUT) == 0
        assert one.wait(TIMEOUT) == 0
    assert hub.sent("*/model.safetensors") == len(WEIGHTS)


def test_a_branch_that_moves_is_followed(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES)
    first = model.head
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    second = model.commit({**FILES, "config.json": b'{"a": 1}'})
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    assert (repository(tmp_path) / "refs" / "main").read_text() == second
    assert len(hub.asked("*/model.safetensors", "GET")) == 2  # By the Hub and the storage, once.
    # A commit that is there whole is not asked for again.
    hub.requests.clear()
    assert prefetch(hub, tmp_path, f"org/name@{first}").returncode == 0
    assert not hub.requests


def test_a_branch_whose_commit_is_gone_is_listed_again(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES)
    hub.order("*/config.json", Status(404, "RevisionNotFound", "Invalid rev id"))
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    assert len(hub.asked("/api/models/*")) == 2
    assert content(tmp_path) == {path: file.content for path, file in model.files.items()}


def test_a_hub_that_lists_no_checksums_is_asked_for_each(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES, tells_blobs=False)
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    assert len(hub.asked("*/resolve/*", "HEAD")) == len(FILES)
    assert content(tmp_path) == FILES


def test_the_cache_stands_in_where_the_hub_cannot_be_asked(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        refused = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        done = prefetch(hub, tmp_path, "org/name", HF_ENDPOINT=refused)
        assert done.returncode == 0 and "connection refused; what the cache has" in done.stderr
        done = prefetch(hub, tmp_path, "org/none", HF_ENDPOINT=refused)
        assert done.returncode == 1 and "cannot reach 127.0.0.1:" in done.stderr
    done = prefetch(hub, tmp_path, "org/name", HF_ENDPOINT="https://no-such-host.invalid")
    assert "its name is not known here" in done.stderr
    hub.order("/api/*", rate_limit(3600))
    done = prefetch(hub, tmp_path, "org/name")
    assert done.returncode == 0 and "for another 3600 s" in done.stderr
    done = prefetch(hub, tmp_path, "org/none", HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "is not in the cache" in done.stderr
    # A byte of it is another: it does not stand in.
    next((repository(tmp_path) / "blobs").glob("*")).write_bytes(b"??")
    done = prefetch(hub, tmp_path, "org/name", HF_HUB_OFFLINE="1")
    assert done.returncode == 1 and "damaged" in done.stderr
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    assert content(tmp_path) == FILES


def test_a_server_that_speaks_no_tls_is_not_trusted(hub: Hub, tmp_path: Path) -> None:
    done = prefetch(hub, tmp_path, "org/name", HF_ENDPOINT=hub.endpoint.replace("http", "https"))
    assert done.returncode == 1 and "cannot " in done.stderr


@pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl to make a certificate")
def test_a_certificate_is_trusted_where_the_system_trusts_it(tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    make = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    names = ["-subj", "/CN=hub", "-addext", "subjectAltName=IP:127.0.0.1"]
    files = ["-keyout", str(tmp_path / "key.pem"), "-out", str(tmp_path / "cert.pem")]
    extensions = ["-addext", "basicConstraints=critical,CA:FALSE"]
    subprocess.run([*make, *names, *extensions, *files], check=True, capture_output=True)
    both.write_text((tmp_path / "key.pem").read_text() + (tmp_path / "cert.pem").read_text())
    with Hub(certificate=both) as hub:
        hub.add("org/name", FILES)
        trusted = {"SSL_CERT_FILE": str(tmp_path / "cert.pem"), "SSL_CERT_DIR": ""}
        done = prefetch(hub, tmp_path, "org/name", **trusted)
        assert done.returncode == 0, done.stderr
        done = prefetch(hub, tmp_path / "other", "org/name")
        assert done.returncode == 1 and "cannot trust 127.0.0.1:" in done.stderr, done.stderr
        assert "SSL_CERT_FILE" in done.stderr


def test_a_proxy_is_taken_where_one_is_set(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    far = {"HF_ENDPOINT": "http://hub.invalid", "NO_PROXY": "127.0.0.1"}
    done = prefetch(hub, tmp_path, "org/name", http_proxy=hub.endpoint, **far)
    assert done.returncode == 0, done.stderr
    assert content(tmp_path) == FILES


def test_kinds_of_files(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", {**FILES, "README.md": b"read"})
    assert prefetch(hub, tmp_path, "--tokenizer-only", "org/name").returncode == 0
    assert set(content(tmp_path)) == {"config.json", "tokenizer.json"}
    assert prefetch(hub, tmp_path, "--weightless", "org/name").returncode == 0
    assert set(content(tmp_path)) == {"config.json", "tokenizer.json", "README.md"}
    assert (
        prefetch(hub, tmp_path, "--models-dir", str(tmp_path / "a b"), "org/name").returncode == 0
    )
    assert (tmp_path / "a b" / "models--org--name" / "refs" / "main").is_file()


OF_ITS_OWN = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-ec"]


def full_disk(shell: str, size: str, *args: str) -> list[str]:
    inside = f'mount -t tmpfs -o size={size} tmpfs "$HF_HOME"; {shell} exec "$@"'
    return [*OF_ITS_OWN, inside, "sh", *args]


def can_mount() -> bool:
    probe = full_disk("", "1m", "true")
    env = {**os.environ, "HF_HOME": "/mnt"}
    return subprocess.run(probe, env=env, capture_output=True).returncode == 0


@pytest.mark.skipif(not can_mount(), reason="no namespaces can be made here")
@pytest.mark.parametrize(
    ("shell", "size", "told"),
    [
        ("", "100k", "no space for org/name in"),
        ('mount -o remount,ro "$HF_HOME";', "10m", "read-only file system"),
    ],
)
def test_a_disk_that_takes_nothing(
    hub: Hub, tmp_path: Path, shell: str, size: str, told: str
) -> None:
    hub.add("org/name", FILES)
    done = subprocess.run(
        full_disk(shell, size, *command("org/name")),
        env=hub.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 1 and told in done.stderr and "hint: " in done.stderr
    assert not hub.asked("*/model.safetensors")


@pytest.mark.skipif(not can_mount(), reason="no namespaces can be made here")
def test_a_disk_that_fills_up_meanwhile(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    hub.order("*/model.safetensors", Slow(20_000, 0.1), server="storage")
    half = '"$HF_HOME"/hub/*/blobs/*.incomplete'
    fill = 'dd if=/dev/zero of="$HF_HOME/fill" bs=1k 2>/dev/null || true'
    inside = f'"$@" & until test -e {half}; do :; done; {fill}; wait $!; exit $?;'
    done = subprocess.run(
        full_disk(inside, "600k", *command("org/name")),
        env=hub.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 1 and "no space for org/name in" in done.stderr, done.stderr
    assert hub.asked("*/model.safetensors")


@pytest.mark.skipif(not can_mount(), reason="no namespaces can be made here")
def test_a_cache_that_is_only_read_is_enough(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    assert prefetch(hub, tmp_path, "org/name").returncode == 0
    # As another tool would have left it.
    shutil.rmtree(repository(tmp_path) / ".dyno")
    only_read = 'mount --bind "$HF_HOME" "$HF_HOME"; mount -o remount,bind,ro "$HF_HOME"; exec "$@"'
    done = subprocess.run(
        [*OF_ITS_OWN, only_read, "sh", *command("org/name")],
        env=hub.environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    assert done.returncode == 0, done.stderr
    assert "read-only file system; what the cache has of it is used" in done.stderr


def test_models_of_tests(hub: Hub, tmp_path: Path) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "test_models.py").write_text(
        "import pytest\n\n"
        "@pytest.mark.model('org/name', files='tokenizer')\n@pytest.mark.e2e\ndef test_a(): ...\n\n"
        "@pytest.mark.model('org/other')\ndef test_b(): ...\n\n"
        "@pytest.mark.model('./tiny')\ndef test_c(): ...\n\n"
        "@pytest.mark.model('x/y/z')\ndef test_d(): ...\n"
    )
    hub.add("org/name", FILES)
    hub.add("org/other", FILES)

    def of_tests(*args: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*command("--"), "-p", "no:cacheprovider", *args],
            cwd=suite,
            env=hub.environment(tmp_path / "home"),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )

    done = of_tests("-k", "test_a")
    assert done.returncode == 0, done.stderr
    assert set(content(tmp_path / "home")) == {"config.json", "tokenizer.json"}
    assert not hub.asked("*other*")
    assert of_tests("-k", "test_c").returncode == 5
    done = of_tests()
    assert done.returncode == 1 and "org/other  3 files" in done.stdout
    assert 'test_models.py::test_d: "x/y/z" is no model\'s name' in done.stderr


FIXTURES = {
    "conftest.py": """
import dyno, pytest
NAME = "org/everywhere"

@pytest.fixture
@dyno.model("org/outer")
def engine(): ...

@pytest.fixture(autouse=True, scope="session")
@dyno.model(NAME, files="tokenizer")
def everywhere(): ...
""",
    "test_asks.py": """
import pytest
from dyno import model

@pytest.fixture
@model("org/inner")
def engine(engine): ...

def test_a(engine): ...
""",
    "test_hides.py": """
import dyno, pytest

@pytest.fixture
@dyno.model("org/inner", "/a/folder")
def engine(): ...

class TestIn:
    def test_a(self, engine): ...

@pytest.mark.parametrize("engine", [1])
def test_parameter(engine): ...
""",
    "test_computed.py": """
import os, dyno, pytest

@pytest.fixture
@dyno.model(os.path.join("org", "inner"))
def engine(): ...

def test_a(engine): ...
""",
    "test_plain.py": """
import pytest
@pytest.mark.usefixtures("engine")
def test_a(): ...
def test_none(): ...
""",
}


@pytest.mark.parametrize(
    ("named", "models"),
    [
        ("test_asks.py", {"inner", "outer"}),
        ("test_hides.py::TestIn", {"inner"}),
        ("test_hides.py::test_parameter", set()),
        ("test_computed.py", {"inner"}),
        ("test_plain.py", {"outer"}),
        ("test_plain.py::test_none", set()),
    ],
)
def test_models_of_fixtures_are_those_that_a_run_fetches(
    tmp_path: Path, named: str, models: set[str]
) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, FIXTURES)
    for words in (["models", "prefetch", "--"], ["test", "-n1"]):
        with Hub({TOKEN}) as hub:
            for name in ("everywhere", "outer", "inner"):
                hub.add(f"org/{name}", FILES)
            done = subprocess.run(
                [DYNO, *words, named],
                cwd=folder,
                env=hub.environment(tmp_path / words[0]),
                capture_output=True,
                text=True,
                timeout=TIMEOUT,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            weights = {request.path.split("/")[2] for request in hub.asked("/org/*.safetensors")}
            assert (weights, bool(hub.asked("/org/everywhere/*"))) == (models, True)


def test_a_terminal_shows_what_comes(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    hub.order("*/model.safetensors", Slow(20_000, 0.05), server="storage")
    controller, terminal = pty.openpty()
    with open(controller, "rb", buffering=0) as screen:
        process = subprocess.Popen(
            command("org/name"),
            env=hub.environment(tmp_path) | {"TERM": "xterm", "COLUMNS": "100"},
            stdout=subprocess.PIPE,
            stderr=terminal,
        )
        os.close(terminal)
        shown = b""
        while True:
            try:
                part = screen.read(4096)
            except OSError:
                break
            if not part:
                break
            shown += part
        assert process.wait(TIMEOUT) == 0
    assert b"org/name" in shown and b"KiB" in shown and b"left" in shown
    assert process.stdout is not None
    assert process.stdout.read().startswith(b"org/name  3 files, 250 KiB, commit ")
