"""What a fork does not survive is found where it is, and nowhere else."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from dyno import _fork_guard

from running import journal, run_dyno, run_pytest, write_suite


def process(folder: Path, threads: list[str], files: list[str]) -> Path:
    """A folder that looks like ``/proc/PID``."""
    for index, name in enumerate(threads):
        task = folder / "task" / str(index)
        task.mkdir(parents=True)
        (task / "comm").write_text(name + "\n")
    (folder / "fd").mkdir()
    for index, target in enumerate(files):
        (folder / "fd" / str(index)).symlink_to(target)
    return folder


def whats(found: list[dict[str, str]]) -> list[str]:
    return [hazard["what"] for hazard in found if hazard not in OF_WHOEVER_RUNS_THIS]


# pytest-xdist, for one, has a thread beside its tests.
OF_WHOEVER_RUNS_THIS = _fork_guard.hazards(Path("/proc/no-process"))


# As measured: what was started, and whether a fork survives it.
@pytest.mark.parametrize(
    ("threads", "files", "found"),
    [
        (["python3"], ["/dev/null", "socket:[1]"], []),
        (["python3", "python3", "python3"], [], []),
        (["python3", "jemalloc_bg_thd"], [], []),
        (["python3", "tokio-runtime-w", "compute-0"], [], ["thread tokio-runtime-w"]),
        (["python3", "grpc_global_tim", "lifeguard"], [], ["thread grpc_global_tim"]),
        (["python3", "cuda-EvtHandlr"], [], ["thread cuda-EvtHandlr"]),
        (["python3"], ["/dev/nvidia0", "/dev/nvidiactl"], ["/dev/nvidia0", "/dev/nvidiactl"]),
    ],
)
def test_the_table_tells_hazards_from_pools(
    tmp_path: Path, threads: list[str], files: list[str], found: list[str]
) -> None:
    assert whats(_fork_guard.hazards(process(tmp_path, threads, files))) == found


def test_a_thread_of_pythons_is_found_while_it_lives(tmp_path: Path) -> None:
    nothing = process(tmp_path, [], [])
    end = threading.Event()
    thread = threading.Thread(target=end.wait, name="keeps running", daemon=True)
    thread.start()
    try:
        assert whats(_fork_guard.hazards(nothing)) == ["Python thread keeps running"]
    finally:
        end.set()
        thread.join()
    assert whats(_fork_guard.hazards(nothing)) == []


def test_a_run_says_what_it_forked_in_spite_of(tmp_path: Path) -> None:
    text = (
        "import threading, time\n"
        "threading.Thread(target=time.sleep, args=(600,), name='beats', daemon=True).start()\n"
        "def test_a(): pass\n"
    )
    folder = tmp_path / "suite"
    write_suite(folder, {"test_a.py": text})
    expected = run_pytest(folder)
    got = run_dyno(folder, "-n", "2")
    assert (got.outcomes, got.code) == (expected.outcomes, expected.code)
    assert "Python thread beats" in got.stdout.partition("UNSAFE TO FORK")[2]
    assert any(event["event"] == "unsafe_to_fork" for event in journal(folder))
    write_suite(folder, {"test_a.py": "def test_a(): pass\n"})
    assert "UNSAFE TO FORK" not in run_dyno(folder, "-n", "2").stdout
