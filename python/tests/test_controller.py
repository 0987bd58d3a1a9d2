"""What belongs to the whole run: reports, the cache, plugins that live in the controller."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from running import run_dyno, run_pytest, write_suite

SUITE = {
    "conftest.py": (
        "def pytest_terminal_summary(terminalreporter, exitstatus):\n"
        "    counts = {k: len(v) for k, v in terminalreporter.stats.items() if k}\n"
        "    terminalreporter.section('own section')\n"
        "    terminalreporter.write_line(f'{sorted(counts.items())} {int(exitstatus)}')\n"
    ),
    "test_a.py": (
        "import pytest\n"
        "def test_passes(record_property): record_property('figure', 3)\n"
        "def test_fails(): print('said'); assert False, 'why'\n"
        "@pytest.mark.parametrize('n', range(4))\n"
        "def test_n(n): pass\n"
    ),
    "test_b.py": "import pytest\ndef test_skips(): pytest.skip('no')\n",
}


def cases(path: Path) -> list[tuple[str, str, tuple[str, ...]]]:
    """The test cases of a JUnit file, without what differs between two runs."""
    found = []
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        parts = tuple(sorted(part.tag for part in case))
        found.append((case.get("classname", ""), case.get("name", ""), parts))
    return sorted(found)


@pytest.mark.parametrize("workers", ["1", "3"])
def test_junit_files_hold_the_same_cases(tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITE)
    run_pytest(folder, f"--junitxml={tmp_path}/pytest.xml")
    run_dyno(folder, f"--junitxml={tmp_path}/dyno.xml", "-n", workers)
    assert cases(tmp_path / "dyno.xml") == cases(tmp_path / "pytest.xml")
    assert len(cases(tmp_path / "dyno.xml")) == 7


@pytest.mark.parametrize("workers", ["1", "3"])
def test_a_plugins_summary_sees_the_whole_run(tmp_path: Path, workers: str) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITE)
    expected = run_pytest(folder)
    got = run_dyno(folder, "-n", workers)
    line = next(line for line in expected.stdout.splitlines() if line.startswith("[('"))
    assert line in got.stdout.splitlines()


def test_a_crash_is_in_the_junit_file(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "import os\ndef test_dies(): os._exit(3)\n"})
    run_dyno(tmp_path, "--junitxml=out.xml")
    assert cases(tmp_path / "out.xml") == [("test_a", "test_dies", ("failure",))]


def test_the_cache_is_shared_with_pytest_both_ways(tmp_path: Path) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITE)
    run_dyno(folder, "-n", "2")
    assert list(run_pytest(folder, "--lf").outcomes) == ["test_a.py::test_fails"]
    (folder / "test_a.py").write_text(SUITE["test_a.py"].replace("assert False", "assert True"))
    again = run_dyno(folder, "-n", "2", "--lf")
    assert again.outcomes == {"test_a.py::test_fails": ("passed",)}
    cache = folder / ".pytest_cache" / "v" / "cache" / "lastfailed"
    assert not cache.exists() or json.loads(cache.read_text()) == {}


def test_durations_are_shown(tmp_path: Path) -> None:
    write_suite(tmp_path, SUITE)
    got = run_dyno(tmp_path, "--durations=2", "-vv")
    assert "slowest 2 durations" in got.stdout


def test_output_is_shown_as_it_comes_with_s(tmp_path: Path) -> None:
    write_suite(tmp_path, {"test_a.py": "def test_a(): print('seen at once')\n"})
    for option in ("-s", "--no-capture", "--capture=no"):
        got = run_dyno(tmp_path, option)
        assert "seen at once" in got.stdout
    assert "seen at once" not in run_dyno(tmp_path).stdout


@pytest.mark.parametrize("options", [["--collect-only"], ["--collect-only", "-q"], ["--markers"]])
def test_what_runs_no_test_prints_what_pytest_prints(tmp_path: Path, options: list[str]) -> None:
    folder = tmp_path / "suite"
    write_suite(folder, SUITE)
    expected = run_pytest(folder, *options)
    got = run_dyno(folder, *options)
    assert got.code == expected.code
    strip = [line for line in expected.stdout.splitlines() if " in 0." not in line]
    assert [line for line in got.stdout.splitlines() if " in 0." not in line] == strip


def test_a_worker_knows_that_it_is_one(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "test_a.py": (
                "import os\n"
                "def test_a(request):\n"
                "    name = request.config.workerinput['workerid']\n"
                "    assert os.environ['PYTEST_XDIST_WORKER'] == name\n"
                "    assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '2'\n"
                "    assert os.environ['PYTEST_XDIST_TESTRUNUID']\n"
                "def test_b(worker_id): assert worker_id.startswith('gw')\n"
            )
        },
    )
    got = run_dyno(tmp_path, "-n", "2")
    assert got.code == 0, got.text


def test_addopts_of_xdist_choose_the_workers(tmp_path: Path) -> None:
    write_suite(
        tmp_path,
        {
            "pytest.ini": "[pytest]\naddopts = -n 3\n",
            "test_a.py": "import os\ndef test_a():"
            " assert os.environ['PYTEST_XDIST_WORKER_COUNT'] == '3'\n",
        },
    )
    got = run_dyno(tmp_path)
    assert got.code == 0, got.text


def test_workers_do_not_share_what_a_fork_would_share(tmp_path: Path) -> None:
    """Captured output, temporary folders and random numbers are each worker's own."""
    write_suite(
        tmp_path,
        {
            "test_a.py": (
                "import pytest, random\n"
                "@pytest.mark.parametrize('n', range(40))\n"
                "def test_n(n, tmp_path, capfd):\n"
                "    print('line of', n)\n"
                "    assert capfd.readouterr().out == f'line of {n}\\n'\n"
                "    print('kept', n)\n"
                "    assert list(tmp_path.iterdir()) == []\n"
                "    (tmp_path / 'x').write_text('x')\n"
                "    with open('numbers', 'a') as file: file.write(f'{random.random()}\\n')\n"
                "def test_fails():\n"
                "    print('mine alone')\n"
                "    assert False\n"
            )
        },
    )
    got = run_dyno(tmp_path, "-n", "4")
    assert got.closing_counts() == {"passed": 40, "failed": 1}, got.text
    numbers = (tmp_path / "numbers").read_text().split()
    assert len(set(numbers)) == 40
    captured = got.stdout.split("Captured stdout call")[1].splitlines()
    assert captured[1] == "mine alone"
