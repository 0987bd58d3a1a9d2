"""Plugins that make something of the whole run: a file, a table, a folder."""

from __future__ import annotations

import html
import json
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from running import run_dyno, write_suite
from side_by_side import pair

SUITE = {
    "conftest.py": (
        "import pytest\n"
        "@pytest.fixture(scope='session')\n"
        "def world():\n    print('world is set up')\n    yield 1\n"
    ),
    "test_a.py": (
        "import logging, sys, pytest, warnings\n"
        "def test_passes(world, record_property):\n"
        "    record_property('figure', 3)\n"
        "    print('said'); print('whispered', file=sys.stderr)\n"
        "    logging.getLogger().warning('logged')\n"
        "def test_fails(): print('said'); assert 1 == 2, 'why'\n"
        "@pytest.mark.parametrize('n', range(3), ids=['<a>', 'b&', '\\u00e9'])\n"
        "def test_n(n): pass\n"
        "class TestIn:\n    def test_in(self): pass\n"
    ),
    "test_b.py": (
        "import pytest\n"
        "def test_skips(): pytest.skip('no')\n"
        "@pytest.mark.xfail(reason='known')\n"
        "def test_xfails(): assert False\n"
        "@pytest.mark.xfail\n"
        "def test_xpasses(): pass\n"
        "@pytest.fixture\n"
        "def broken():\n    yield\n    raise ValueError('end')\n"
        "def test_errors_at_the_end(broken): pass\n"
        "@pytest.fixture\n"
        "def absent(): raise ValueError('start')\n"
        "def test_errors(absent): pass\n"
    ),
}

each_number_of_workers = pytest.mark.parametrize("workers", [1, 2])


@each_number_of_workers
def test_junit_files_hold_the_same(tmp_path: Path, workers: int) -> None:
    runs = pair(tmp_path, SUITE, "--junitxml=out.xml", workers=workers)
    runs.check()
    expected = junit(runs.pytest / "out.xml")
    assert len(expected[1]) > 10
    assert junit(runs.dyno / "out.xml") == expected


@each_number_of_workers
@pytest.mark.filterwarnings("ignore:record_xml_attribute")
def test_junit_files_hold_what_tests_record(tmp_path: Path, workers: int) -> None:
    files = {
        "conftest.py": (
            "import pytest\n"
            "@pytest.fixture(scope='session', autouse=True)\n"
            "def world(record_testsuite_property): record_testsuite_property('where', 'here')\n"
        ),
        "test_a.py": (
            "def test_suite(record_testsuite_property): record_testsuite_property('n', 1)\n"
            "def test_own(record_xml_attribute, record_property):\n"
            "    record_xml_attribute('assertions', 7)\n"
            "    record_property('key', ('a', 1))\n"
        ),
        "test_b.py": "def test_b(record_property): record_property('key', 2)\n",
    }
    # Another format refuses attributes.
    runs = pair(tmp_path, files, "--junitxml=out.xml", "-ojunit_family=xunit1", workers=workers)
    runs.check()
    expected = junit(runs.pytest / "out.xml")
    assert "assertions" in str(expected)
    assert "here" in str(expected)
    assert junit(runs.dyno / "out.xml") == expected


def junit(path: Path) -> tuple[dict[str, str], list[object]]:
    """What a JUnit file says, without times and addresses."""
    suite = next(iter(ElementTree.fromstring(text_of(path)).iter("testsuite")))
    attributes = {k: v for k, v in suite.attrib.items() if k not in ("time", "timestamp")}
    return attributes, sorted((element(case) for case in suite), key=repr)


def text_of(path: Path) -> str:
    """What stands in a file, whatever folder the suite is in."""
    return path.read_text().replace(str(path.parent), "")


def element(node: ElementTree.Element) -> tuple[str, list[tuple[str, str]], str, list[object]]:
    attributes = sorted((k, v) for k, v in node.attrib.items() if k != "time")
    text = re.sub(r"0x[0-9a-f]+|[0-9.]+s\b", "", node.text or "")
    return node.tag, attributes, text.strip(), sorted((element(part) for part in node), key=repr)


@each_number_of_workers
def test_html_reports_hold_the_same(tmp_path: Path, workers: int) -> None:
    runs = pair(tmp_path, SUITE, "--html=out/page.html", "--self-contained-html", workers=workers)
    runs.check()
    expected = html_tests(runs.pytest / "out" / "page.html")
    assert len(expected) == 12
    assert html_tests(runs.dyno / "out" / "page.html") == expected
    assert "Generated html report" in runs.got.stdout
    assert runs.got.stdout.count("Generated html report") == 1


def html_tests(path: Path) -> Counter[tuple[str, str]]:
    blob = re.search(r'data-jsonblob="([^"]*)"', path.read_text())
    assert blob is not None
    tests: dict[str, list[dict[str, str]]] = json.loads(html.unescape(blob[1]))["tests"]
    return Counter((row["testId"], row["result"]) for rows in tests.values() for row in rows)


@each_number_of_workers
def test_json_reports_hold_the_same(tmp_path: Path, workers: int) -> None:
    # Log records bear times and process numbers.
    options = ["--json-report", "--json-report-file=out.json", "--json-report-omit=log"]
    runs = pair(tmp_path, SUITE, *options, workers=workers)
    runs.check()
    expected = json_report(runs.pytest / "out.json")
    assert expected["summary"]["total"] == 11
    got = json_report(runs.dyno / "out.json")
    assert got == expected


def json_report(path: Path) -> dict[str, Any]:
    report: dict[str, Any] = json.loads(text_of(path))
    for test in report["tests"]:
        for phase in ("setup", "call", "teardown"):
            if phase in test:
                del test[phase]["duration"]
    return {
        "summary": report["summary"],
        "exitcode": report["exitcode"],
        "collectors": report["collectors"],
        # A session fixture is set up by the first test of each worker.
        "tests": sorted((without_setup_output(test) for test in report["tests"]), key=repr),
    }


def without_setup_output(test: dict[str, Any]) -> dict[str, Any]:
    text = {key: value for key, value in test.get("setup", {}).items() if key != "stdout"}
    return {**test, "setup": text} if text else test


@each_number_of_workers
def test_allure_results_hold_the_same(tmp_path: Path, workers: int) -> None:
    files = {
        **SUITE,
        "test_c.py": (
            "import allure\n"
            "@allure.feature('shop')\n"
            "@allure.severity('critical')\n"
            "def test_steps():\n"
            "    with allure.step('open'): pass\n"
            "    with allure.step('buy'):\n"
            "        allure.attach('a receipt', name='paper')\n"
        ),
    }
    runs = pair(tmp_path, files, "--alluredir=out", workers=workers)
    runs.check()
    expected = allure_results(runs.pytest / "out")
    assert len(expected) == 12
    assert allure_results(runs.dyno / "out") == expected
    attached = [path.read_text() for path in (runs.dyno / "out").glob("*-attachment*")]
    assert "a receipt" in attached


def allure_results(folder: Path) -> list[str]:
    return sorted(
        json.dumps(allure_result(json.loads(path.read_text())), sort_keys=True)
        for path in folder.glob("*-result.json")
    )


def allure_result(value: Any) -> Any:
    """Without times, places, and names made by chance."""
    if isinstance(value, list):
        return sorted((allure_result(part) for part in value if not is_local_label(part)), key=repr)
    if not isinstance(value, dict):
        return value
    changing = {"start", "stop", "uuid", "source", "trace", "statusDetails"}
    return {key: allure_result(part) for key, part in value.items() if key not in changing}


def is_local_label(value: Any) -> bool:
    return isinstance(value, dict) and value.get("name") in ("host", "thread")


BENCHMARKS = {
    "test_a.py": (
        "import pytest\n"
        "@pytest.mark.parametrize('n', [1, 2])\n"
        "def test_sum(benchmark, n):\n"
        "    benchmark.extra_info['n'] = n\n"
        "    assert benchmark(lambda: n + 1) == n + 1\n"
        "@pytest.mark.benchmark(group='other')\n"
        "def test_pedantic(benchmark):\n"
        "    benchmark.pedantic(lambda: None, rounds=7, iterations=2)\n"
        "def test_fails(benchmark):\n    benchmark(lambda: None)\n    assert False\n"
        "def test_plain(): pass\n"
    ),
    "test_b.py": (
        "import pytest\n"
        "@pytest.mark.parametrize('thing', [lambda: 1])\n"
        "def test_cannot_be_sent(benchmark, thing): benchmark(thing)\n"
    ),
}
QUICK = ["--benchmark-max-time=0.01", "--benchmark-min-rounds=3", "--benchmark-disable-gc"]


@each_number_of_workers
def test_benchmarks_are_measured_and_kept(tmp_path: Path, workers: int) -> None:
    options = [*QUICK, "--benchmark-json=out.json", "--benchmark-autosave"]
    runs = pair(tmp_path, BENCHMARKS, *options, workers=workers)
    runs.check()
    expected = benchmarks(runs.pytest / "out.json")
    assert len(expected) == 5
    assert benchmarks(runs.dyno / "out.json") == expected
    assert len(list((runs.dyno / ".benchmarks").glob("*/0001_*.json"))) == 1
    assert table(runs.expected.stdout)
    assert table(runs.got.stdout) == table(runs.expected.stdout)


def benchmarks(path: Path) -> list[dict[str, Any]]:
    found = []
    for one in json.loads(path.read_text())["benchmarks"]:
        assert one["stats"]["rounds"] >= 3
        assert one["stats"]["min"] > 0
        del one["stats"]
        # A parameter may be a function, which shows its address.
        found.append(json.loads(re.sub("0x[0-9a-f]+", "", json.dumps(one))))
    return found


def table(text: str) -> Counter[str]:
    return Counter(
        re.findall(r"^test_\w+(?=\[| {2})|-( benchmark.*: \d tests)", text, re.MULTILINE)
    )


def test_benchmarks_beside_other_tests_are_called_disturbed(tmp_path: Path) -> None:
    write_suite(tmp_path, BENCHMARKS)
    said = "measured beside other tests"
    assert said in run_dyno(tmp_path, *QUICK, "-n", "2").stdout
    assert said not in run_dyno(tmp_path, *QUICK, "-n", "1").stdout


def test_benchmarks_can_be_skipped_or_alone(tmp_path: Path) -> None:
    for option in ("--benchmark-skip", "--benchmark-only", "--benchmark-disable"):
        runs = pair(tmp_path / option, BENCHMARKS, *QUICK, option)
        runs.check()


def test_a_regression_fails_the_run(tmp_path: Path) -> None:
    files = {
        "test_a.py": (
            "import time\n"
            "def test_it(benchmark):\n"
            "    benchmark.pedantic(time.sleep, args=(0,), rounds=3)\n"
        )
    }
    write_suite(tmp_path, files)
    assert run_dyno(tmp_path, "--benchmark-save=first").code == 0
    slower = files["test_a.py"].replace("(0,)", "(0.05,)")
    write_suite(tmp_path, {"test_a.py": slower})
    got = run_dyno(tmp_path, "--benchmark-compare", "--benchmark-compare-fail=min:200%")
    assert "Performance has regressed" in got.text
    assert got.code != 0
