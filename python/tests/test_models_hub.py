"""The local Hub speaks the protocol, and one cache serves `huggingface_hub` and dyno.

What the real `huggingface_hub` makes of the Hub shows that it speaks as the real one does; what it
makes of a cache that dyno filled, and dyno of its, shows that they share it.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from hub import Hub, Model
from running import DYNO, TIMEOUT

pytest.importorskip("huggingface_hub")

TOKEN = "hf_abcdefghijklmnopqrstuvwxyz"
FILES = {
    "config.json": b'{"model_type": "llama"}',
    "tokenizer.json": b"{}" * 500,
    "model.safetensors": bytes(range(256)) * 2000,
    "a/b c.txt": b"hello",
    "empty.txt": b"",
}


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub({TOKEN}) as hub:
        yield hub


def real(hub: Hub, home: Path, code: str, token: str | None = None) -> str:
    """What `huggingface_hub` prints."""
    done = subprocess.run(
        [sys.executable, "-c", f"from huggingface_hub import *\n{code}"],
        env=hub.environment(home, token),
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return done.stdout if done.returncode == 0 else done.stderr


def prefetch(hub: Hub, home: Path, *args: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [DYNO, "models", "prefetch", "--pause=1", *args],
        env=hub.environment(home) | more,
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )


def assert_holds(snapshot: Path, model: Model) -> None:
    there = {
        str(path.relative_to(snapshot)): path.read_bytes()
        for path in snapshot.rglob("*")
        if path.is_file()
    }
    assert there == {path: file.content for path, file in model.files.items()}


def test_the_real_client_takes_the_hub_for_one(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES)
    snapshot = real(hub, tmp_path, "print(snapshot_download('org/name'))").strip()
    assert_holds(Path(snapshot), model)
    listed = real(hub, tmp_path, "print(sorted(HfApi().list_repo_files('org/name')))")
    assert listed.strip() == str(sorted(FILES))


@pytest.mark.parametrize(
    ("name", "token", "error"),
    [
        ("org/none", None, "RepositoryNotFoundError"),
        ("org/none", TOKEN, "RepositoryNotFoundError"),
        ("org/gated", None, "GatedRepoError"),
        ("org/gated", TOKEN, "GatedRepoError"),
        ("org/private", None, "RepositoryNotFoundError"),
        ("org/open@none", None, "RevisionNotFoundError"),
        ("org/open", "hf_unknown", "Invalid credentials"),
    ],
)
def test_the_real_client_knows_the_refusals(
    hub: Hub, tmp_path: Path, name: str, token: str | None, error: str
) -> None:
    hub.add("org/gated", FILES, gated=True)
    hub.add("org/private", FILES, private=True)
    hub.add("org/open", FILES)
    name, _, revision = name.partition("@")
    code = f"hf_hub_download({name!r}, 'config.json', revision={revision or None!r})"
    assert error in real(hub, tmp_path, code, token)


def test_what_dyno_fetched_is_there_for_the_real_client(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES)
    model.commit({**FILES, "config.json": b"{}"}, "v1")
    model.revisions["main"], model.revisions["v1"] = model.revisions["v1"], model.head
    done = prefetch(hub, tmp_path, "org/name", "org/name@v1")
    assert done.returncode == 0, done.stderr
    for revision in ("main", "v1"):
        code = f"print(snapshot_download('org/name', revision='{revision}', local_files_only=True))"
        snapshot = Path(real(hub, tmp_path, code).strip())
        assert snapshot.name == model.revisions[revision]
    code = "info = scan_cache_dir(); print(info.warnings, [r.nb_files for r in info.repos])"
    assert real(hub, tmp_path, code).strip() == "[] [6]"
    # It finds nothing to fetch, not even a file to ask about.
    hub.requests.clear()
    real(hub, tmp_path, "snapshot_download('org/name')")
    assert not hub.asked("*/resolve/*")


def test_what_the_real_client_fetched_is_there_for_dyno(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    real(hub, tmp_path, "snapshot_download('org/name')")
    hub.requests.clear()
    done = prefetch(hub, tmp_path, "org/name")
    assert done.returncode == 0 and done.stdout.endswith("was there\n"), done.stderr
    assert not hub.asked("*/resolve/*")
    hub.requests.clear()
    done = prefetch(hub, tmp_path, "org/name", HF_HUB_OFFLINE="1")
    assert done.returncode == 0 and not hub.requests, done.stderr


def test_a_model_without_weights_is_no_promise_of_all(hub: Hub, tmp_path: Path) -> None:
    hub.add("org/name", FILES)
    assert prefetch(hub, tmp_path, "--weightless", "org/name").returncode == 0
    code = "print(snapshot_download('org/name', local_files_only=True))"
    snapshot = Path(real(hub, tmp_path, code).strip())
    assert (snapshot / "tokenizer.json").is_file()
    assert not (snapshot / "model.safetensors").exists()
    # The rest is fetched by whichever comes next.
    real(hub, tmp_path, "snapshot_download('org/name')")
    assert (snapshot / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_part_that_the_real_client_fetched_is_completed(hub: Hub, tmp_path: Path) -> None:
    model = hub.add("org/name", FILES)
    real(hub, tmp_path, "hf_hub_download('org/name', 'model.safetensors')")
    hub.requests.clear()
    done = prefetch(hub, tmp_path, "org/name")
    assert done.returncode == 0, done.stderr
    assert not hub.asked("*/model.safetensors") and hub.asked("*/tokenizer.json")
    snapshot = tmp_path / "hub" / "models--org--name" / "snapshots" / model.head
    assert_holds(snapshot, model)


def test_the_lock_is_the_real_clients(hub: Hub, tmp_path: Path) -> None:
    """While `huggingface_hub` holds the lock of a file, dyno waits for it."""
    model = hub.add("org/name", {"config.json": b"{}"})
    etag = model.files["config.json"].etag
    lock = tmp_path / "hub" / ".locks" / "models--org--name" / f"{etag}.lock"
    lock.parent.mkdir(parents=True)
    code = (
        "import sys\nfrom huggingface_hub.utils import WeakFileLock\n"
        f"with WeakFileLock({str(lock)!r}):\n    print('held', flush=True)\n    sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with holder:
        assert holder.stdout is not None and holder.stdin is not None
        assert holder.stdout.readline() == "held\n"
        waiting = subprocess.Popen(
            [DYNO, "models", "prefetch", "org/name"],
            env=hub.environment(tmp_path),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with waiting:
            assert waiting.stderr is not None
            assert "which another process fetches" in waiting.stderr.readline()
            assert not hub.asked("*/resolve/*")
            holder.stdin.close()
            assert waiting.wait(TIMEOUT) == 0
    assert len(hub.asked("*/resolve/*")) == 1
