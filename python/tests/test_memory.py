"""What a worker has of the machine's memory is measured, and shown where it is asked for."""

from __future__ import annotations

from pathlib import Path

from dyno._memory import memory

from running import journal, run_dyno, write_suite

ROLLUP = """\
55d0-7ffd ---p 00000000 00:00 0    [rollup]
Rss:               34000 kB
Pss:               11000 kB
Shared_Clean:       6000 kB
Shared_Dirty:      20000 kB
Private_Clean:      1000 kB
Private_Dirty:      7000 kB
"""


def test_pages_of_one_process_are_told_from_shared_ones(tmp_path: Path) -> None:
    rollup = tmp_path / "smaps_rollup"
    assert memory(rollup) is None
    rollup.write_text(ROLLUP)
    assert memory(rollup) == {"own_kib": 8000, "shared_kib": 26000}


def test_workers_share_what_the_template_has(tmp_path: Path) -> None:
    """64 MiB of the template's are shared, 32 MiB that a test makes are its worker's own."""
    conftest = "held = bytearray(b'x' * (64 << 20))\nkept = []\n"
    tests = (
        "import conftest, pytest, time\n"
        "@pytest.fixture(scope='module', autouse=True)\n"
        "def apart(): pass\n"
        "def test_it(): conftest.kept.append(bytearray(b'y' * (32 << 20))); time.sleep(0.5)\n"
    )
    write_suite(tmp_path, {"conftest.py": conftest, "test_a.py": tests, "test_b.py": tests})
    run = run_dyno(tmp_path, "-n", "2", "-v")
    assert run.code == 0, run.text
    ends = [event["memory"] for event in journal(tmp_path) if event["event"] == "worker_ended"]
    assert len(ends) == 2
    for end in ends:
        assert isinstance(end, dict)
        assert 32 << 10 < end["own_kib"] < 64 << 10
        assert end["shared_kib"] > 64 << 10
    assert "memory of 2 workers: " in run.stdout
    assert "memory of 2 workers: " not in run_dyno(tmp_path, "-n", "2").stdout
