"""`dyno models list`, `verify` and `gc` on caches in every state."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub import Hub, Model
from running import DYNO, TIMEOUT

WEIGHTS = bytes(range(256)) * 1000
FILES = {"config.json": b"{}", "a/tokenizer.json": b"[]", "model.safetensors": WEIGHTS}
DAY = 24 * 3600


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


class Cache:
    """A cache that holds one model."""

    def __init__(self, hub: Hub, home: Path) -> None:
        self.hub = hub
        self.home = home
        self.model: Model = hub.add("org/name", FILES)
        self.folder = home / "hub" / "models--org--name"
        self.run("prefetch", "org/name")

    def run(self, *args: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [DYNO, "models", *args],
            env=self.hub.environment(self.home),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def blob(self, path: str) -> Path:
        return self.folder / "blobs" / self.model.files[path].etag

    def link(self, path: str) -> Path:
        return self.folder / "snapshots" / self.model.head / path

    def listed(self) -> list[dict[str, Any]]:
        document = json.loads(self.run("list", "--json").stdout)
        assert document["version"] == 1
        models: list[dict[str, Any]] = document["models"]
        return models

    def age(self, days: int) -> None:
        for path in self.folder.rglob("*"):
            if path.is_file():
                os.utime(path, (time.time() - days * DAY,) * 2)


@pytest.fixture
def cache(hub: Hub, tmp_path: Path) -> Cache:
    return Cache(hub, tmp_path)


def test_a_cache_that_is_not_there_is_empty(tmp_path: Path) -> None:
    for command in ("list", "verify", "gc"):
        done = subprocess.run(
            [DYNO, "models", command, "--models-dir", str(tmp_path / "none")],
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        assert done.returncode == 0, done.stderr
    assert not (tmp_path / "none").exists()


def test_what_is_there_is_listed(cache: Cache) -> None:
    [model] = cache.listed()
    assert model["name"] == "org/name" and model["bytes"] == len(WEIGHTS) + 4
    [revision] = model["revisions"]
    assert revision["refs"] == ["main"] and revision["commit"] == cache.model.head
    assert (revision["state"], revision["files"], revision["missing"]) == ("whole", 3, None)
    cache.link("model.safetensors").unlink()
    assert cache.listed()[0]["revisions"][0]["state"] == "weightless"
    cache.link("config.json").unlink()
    [revision] = cache.listed()[0]["revisions"]
    assert (revision["state"], revision["missing"]) == ("part", 2)
    shutil.rmtree(cache.folder / ".dyno")
    shutil.rmtree(cache.folder / "trees")
    assert cache.listed()[0]["revisions"][0]["state"] == "unknown"
    (cache.folder / "blobs" / ("0" * 40 + ".incomplete")).write_bytes(b"half")
    text = cache.run("list").stdout
    assert "unknown, has no listing" in text and "half-written" in text


def damage_a_blob(cache: Cache) -> None:
    cache.blob("model.safetensors").write_bytes(WEIGHTS[:-1] + b"?")


def remove_a_blob(cache: Cache) -> None:
    cache.blob("config.json").unlink()


def link_elsewhere(cache: Cache) -> None:
    cache.link("config.json").unlink()
    cache.link("config.json").symlink_to(f"../../blobs/{cache.blob('a/tokenizer.json').name}")


def write_over_a_link(cache: Cache) -> None:
    cache.link("config.json").unlink()
    cache.link("config.json").write_bytes(b"{ }")


def refer_to_nothing(cache: Cache) -> None:
    (cache.folder / "refs" / "old").write_text("0" * 40)


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (damage_a_blob, "other bytes than its name says"),
        (remove_a_blob, "leads to no file"),
        (link_elsewhere, "other bytes than the model's listing says"),
        (write_over_a_link, "other bytes than the model's listing says"),
        (refer_to_nothing, "the revision old is a commit that is not there"),
    ],
)
def test_damage_is_found_removed_and_mended(cache: Cache, damage: Any, told: str) -> None:
    assert "0 faults" in cache.run("verify").stdout
    damage(cache)
    done = cache.run("verify", code=1)
    assert told in done.stdout and "1 fault" in done.stdout
    assert "hint: remove it with `dyno models verify --remove org/name`" in done.stderr
    done = cache.run("verify", "--remove", "org/name", code=1)
    assert "(removed)" in done.stdout and "dyno models prefetch org/name" in done.stderr
    cache.run("prefetch", "org/name")
    assert "0 faults" in cache.run("verify").stdout
    assert {path: cache.link(path).read_bytes() for path in FILES} == FILES


def test_prefetch_alone_mends_what_it_meets(cache: Cache) -> None:
    for damage in (damage_a_blob, remove_a_blob, link_elsewhere, write_over_a_link):
        damage(cache)
        cache.run("prefetch", "org/name")
        assert {path: cache.link(path).read_bytes() for path in FILES} == FILES


def test_only_models_that_are_there_are_verified(cache: Cache) -> None:
    done = cache.run("verify", "org/none", "a b", code=4)
    assert "nothing of org/none" in done.stderr and '"a b" is no model' in done.stderr


@contextlib.contextmanager
def hold(cache: Cache, blob: str) -> Iterator[None]:
    locks = cache.home / "hub" / ".locks" / "models--org--name"
    with open(locks / f"{blob}.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def test_garbage_is_collected_and_nothing_else(cache: Cache) -> None:
    assert "0 things" in cache.run("gc").stdout
    blobs = cache.folder / "blobs"
    (blobs / ("1" * 64 + ".incomplete")).write_bytes(b"half" * 10)
    (blobs / ("1" * 64 + ".0123abcd.incomplete")).write_bytes(b"half")
    (blobs / ("2" * 40)).write_bytes(b"nobody's")
    before = sorted(cache.folder.rglob("*"))
    done = cache.run("gc", "--dry-run")
    assert "3 things, 52 bytes would be freed" in done.stdout
    assert sorted(cache.folder.rglob("*")) == before
    done = cache.run("gc")
    assert "3 things, 52 bytes freed" in done.stdout
    assert {one.name for one in blobs.iterdir()} == {cache.blob(path).name for path in FILES}
    assert "0 faults" in cache.run("verify").stdout


def test_what_somebody_fetches_stays(cache: Cache) -> None:
    (cache.folder / "blobs" / ("1" * 64 + ".incomplete")).write_bytes(b"half")
    with hold(cache, "1" * 64):
        done = cache.run("gc")
        assert "0 things" in done.stdout and "is being fetched" in done.stderr
        assert "half-written" not in cache.run("verify").stdout
    assert "1 thing" in cache.run("gc").stdout


def test_a_model_that_is_being_fetched_is_left_alone(cache: Cache) -> None:
    with open(cache.folder / ".dyno" / "use.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_SH)
        cache.age(100)
        done = cache.run("gc", "--unused-for", "30d")
        assert "org/name is left: it is being fetched" in done.stderr
        damage_a_blob(cache)
        assert "somebody works on it" in cache.run("verify", "--remove", code=1).stdout
    assert cache.link("config.json").exists()


def test_commits_that_nobody_uses_are_removed(cache: Cache) -> None:
    first = cache.model.head
    cache.age(100)
    second = cache.model.commit({**FILES, "config.json": b'{"a": 1}'}, "main")
    cache.run("prefetch", "org/name")
    # That the weights are read for the second commit keeps the first one no longer.
    config = cache.folder / "blobs" / cache.model.commits[first]["config.json"].etag
    os.utime(config, (time.time() - 100 * DAY,) * 2)
    done = cache.run("gc", "--unused-for", "30d")
    assert f"snapshots/{first}: a commit that nobody used" in done.stdout
    assert [one.name for one in (cache.folder / "snapshots").iterdir()] == [second]
    assert {path: cache.link(path).read_bytes() for path in FILES}["model.safetensors"] == WEIGHTS
    assert "0 faults" in cache.run("verify").stdout
    assert "1 thing" not in cache.run("gc", "--unused-for", "30d").stdout


def test_a_model_of_which_nothing_is_left_is_gone(cache: Cache) -> None:
    cache.age(100)
    cache.run("gc", "--unused-for", "30d", "--dry-run")
    assert cache.link("config.json").exists()
    cache.run("gc", "--unused-for", "30d")
    assert not cache.folder.exists()
    cache.run("prefetch", "org/name")


def test_what_a_process_reads_is_not_removed(cache: Cache) -> None:
    cache.age(100)
    with open(cache.link("model.safetensors"), "rb"):
        os.utime(cache.blob("model.safetensors"), (time.time() - 100 * DAY,) * 2)
        done = cache.run("gc", "--unused-for", "30d")
        assert f"process {os.getpid()} has files of it open" in done.stderr
    assert cache.link("config.json").exists()


def test_a_length_of_time_has_a_unit(cache: Cache) -> None:
    assert "such as 30d" in cache.run("gc", "--unused-for", "30", code=4).stderr
