"""Records what real pytest (here 9.2.0) prints, with the same run as dyno's events.

    PYTHONPATH=<repository>/python python record.py

For each case it runs pytest on a small suite in a temporary folder and writes
`<case>.jsonl`, the events that dyno would have had, and `<case>.txt`, what pytest
printed; `cases.json` keeps the arguments and the width of each. Everything up to the
first test is one `output` event: dyno passes it on as it is. Needs pytest, pytest-xdist
and the `dyno` Python package, whose own functions put reports into words. Places of the
machine are replaced in both files.
"""

from __future__ import annotations

import io
import json
import os
import re
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent

SUITE = {
    "conftest.py": """
import pytest, warnings
@pytest.fixture
def bad_setup():
    print("setting up")
    raise RuntimeError("no set-up")
@pytest.fixture
def bad_teardown():
    yield
    print("tearing down")
    raise RuntimeError("no teardown")
@pytest.fixture
def chatty():
    print("chatty set-up")
    yield
    print("chatty teardown")
def pytest_terminal_summary(terminalreporter, config):
    if config.option.verbose == 1:
        terminalreporter.section("a plugin's section")
        terminalreporter.line("and its text")
""",
    "test_all.py": """
import logging, sys, unittest, warnings
import pytest
def test_pass(): pass
def test_chatty_pass(chatty): print("said in the test")
def test_fail():
    print("on stdout")
    print("on stderr", file=sys.stderr)
    logging.getLogger("x").warning("logged")
    assert [1, 2] == [1, 3], "a message that is rather long, so that the short summary has to cut it"
def test_fail_chatty(chatty): assert 0
def test_setup_error(bad_setup): pass
def test_teardown_error(bad_teardown): pass
def test_both(bad_teardown): assert False
@pytest.mark.skip(reason="marked with a reason that is so long that no screen has room for all-of-it--really")
def test_skip_long(): pass
@pytest.mark.skip
def test_skip_bare(): pass
@pytest.mark.parametrize("n", range(3))
def test_skip_inside(n): pytest.skip("twice two")
def test_skip_without_words(): pytest.skip()
@pytest.mark.skipif(True, reason="if")
def test_skip_if(): pass
@pytest.mark.xfail(reason="known")
def test_xfail(): assert 0
@pytest.mark.xfail
def test_xfail_bare(): assert 0
def test_xfail_inside(): pytest.xfail("by hand")
@pytest.mark.xfail(reason="set-up")
def test_xfail_setup(bad_setup): pass
@pytest.mark.xfail(reason="hoped against")
def test_xpass(): print("passed all the same")
@pytest.mark.xfail(strict=True, reason="strictly")
def test_xpass_strict(): pass
class TestClass:
    def test_method(self): assert "a" * 200 == "b"
    @pytest.mark.parametrize("v", ["x.y", "\u540d\u524d", "a::b"])
    def test_parameters(self, v): assert v == "x.y", "\u540d\u524d" * 40
class TestUnit(unittest.TestCase):
    def test_unit(self): self.assertEqual(1, 2)
def test_no_fixture(nowhere): pass
""",
    "test_more.py": """
import warnings
import pytest
@pytest.mark.parametrize("n", range(12))
def test_warns(n): warnings.warn("often said")
def test_warns_twice():
    warnings.warn("once\\nupon a line", DeprecationWarning)
    warnings.warn(UserWarning("a second"))
def test_last(): pass
""",
    "sub/test_many.py": """
import pytest
@pytest.mark.parametrize("n", range(40))
def test_many(n): assert n % 20 != 17
""",
    "sub/test_module_skip.py": """
import pytest
pytest.skip("the whole of it", allow_module_level=True)
""",
    "broken/test_broken.py": """
import no_such_module_anywhere
""",
    "broken/test_syntax.py": "def f(:\n",
    "broken/test_fine.py": "def test_fine(): pass\n",
    "stop/test_stop.py": """
import pytest
def test_one(): pass
def test_two(): assert 0
def test_three(): assert 0
def test_exit(): pytest.exit("that is enough")
def test_after(): pass
""",
    "stop/test_asks.py": """
def test_one(): pass
def test_asks(request): request.session.shouldstop = "a test asked"
def test_after(): pass
""",
    "subtests/test_subtests.py": """
def test_subtests(subtests):
    for n in range(4):
        with subtests.test(msg="part", n=n):
            assert n != 2
""",
    "names/test_\u540d.py": "def test_b(): pass\ndef test_c(): assert 0, '\u00e9' * 90\n",
    "named/test_named.py": """
import pytest
class TestA:
    class TestB:
        def test_c(self): pass
@pytest.mark.parametrize("x", ["a" * 70, "b"])
def test_p(x): pass
""",
    "pytest.ini": "[pytest]\nverbosity_subtests=1\n",
}

MAIN = ["test_all.py", "test_more.py", "sub"]
SOME = ["test_more.py", "sub"]
# Plugins that would be in the text.
PLUGINS = [f"-pno:{name}" for name in ("cacheprovider", "asyncio", "anyio", "timeout")]

# name: (arguments, width, folder)
CASES: dict[str, tuple[list[str], int, str]] = {
    "default": (MAIN, 80, "."),
    "verbose": (["-v", *MAIN], 80, "."),
    "very_verbose": (["-vv", "test_all.py"], 80, "."),
    "quiet": (["-q", *SOME], 50, "."),
    "very_quiet": (["-qq", *SOME], 50, "."),
    "report_all": (["-rA", "--tb=short", "test_all.py"], 100, "."),
    "report_none": (["-rN", "--tb=no", "test_all.py"], 80, "."),
    "report_passed": (["-rpxXs", "--tb=native", "test_all.py"], 63, "."),
    "narrow": (["--tb=no", *SOME], 41, "."),
    "narrow_verbose": (["-v", "--tb=no", *SOME], 47, "."),
    "no_capture_shown": (["--show-capture=no", "test_all.py"], 80, "."),
    "stdout_shown": (["--show-capture=stdout", "test_all.py"], 80, "."),
    "no_summary": (["-v", "--no-summary", "test_all.py"], 80, "."),
    "no_warnings": (["--disable-warnings", "test_more.py"], 80, "."),
    "deselected": (["-k", "warns", "test_more.py", "sub/test_many.py"], 80, "."),
    "all_pass": (["test_more.py::test_last"], 80, "."),
    "only_skips": (["-rs", "test_all.py", "-k", "skip"], 80, "."),
    "only_xpass": (["test_all.py::test_xpass"], 80, "."),
    "elsewhere": (["-v", "--tb=no", "../test_all.py", "test_many.py"], 80, "sub"),
    "elsewhere_short": (["--tb=no", "-rfEs", "../test_all.py", "."], 80, "sub"),
    "collect_errors": (["--continue-on-collection-errors", "broken"], 80, "."),
    "maxfail": (["--maxfail=1", "stop/test_stop.py"], 80, "."),
    "exit": (["stop/test_stop.py"], 80, "."),
    "exit_verbose": (["-v", "stop/test_stop.py"], 80, "."),
    "asked": (["stop/test_asks.py"], 80, "."),
    "subtests": (["-v", "subtests"], 80, "."),
    "wide": (["names", "named"], 80, "."),
    "wide_verbose": (["-v", "names", "named"], 80, "."),
    "color": (["--color=yes", "--tb=short", "test_all.py"], 300, "."),
    "color_verbose": (["--color=yes", "-v", "--tb=no", "-rN", *SOME], 80, "."),
    "color_quiet": (["--color=yes", "-q", "--tb=no", "-rsxX", "test_all.py"], 80, "."),
    "color_pass": (["--color=yes", "test_more.py::test_last"], 80, "."),
    "color_skip": (["--color=yes", "-rs", "test_all.py", "-k", "skip"], 80, "."),
    "color_maxfail": (
        ["--color=yes", "--maxfail=1", "--tb=no", "-rN", "stop/test_stop.py"],
        80,
        ".",
    ),
    "xdist": (["-n2", "--tb=no", *SOME], 50, "."),
    "xdist_quiet": (["-n2", "-q", "--tb=no", *SOME], 50, "."),
    "xdist_narrow": (["-n2", "--tb=no", "sub"], 44, "."),
    "count": (["-o", "console_output_style=count", "--tb=no", *SOME], 50, "."),
    "classic": (["-o", "console_output_style=classic", "--tb=no", "-rN", *SOME], 50, "."),
}


class Recorder:
    """A pytest plugin that keeps the screen and the events."""

    def __init__(self) -> None:
        self.screen = io.StringIO()
        self.events: list[dict[str, Any]] = []
        self.deselected = 0
        self.head = 0
        # Reports that show nothing are in one case, and left out of the others for size.
        self.keeps_silent = "default" in sys.argv
        self.stop: dict[str, Any] | None = None

    def pytest_configure(self, config: Any) -> None:
        self.config = config

    def pytest_sessionstart(self) -> None:
        self.config.get_terminal_writer()._file = self.screen

    def pytest_deselected(self, items: list[Any]) -> None:
        self.deselected += len(items)

    def say(self, event: str, **fields: Any) -> None:
        self.events.append({"event": event, **fields})

    def pytest_warning_recorded(self, warning_message: Any, nodeid: str) -> None:
        from dyno import _reports

        self.say(
            "warned", **_reports.warning(self.config.invocation_params.dir, warning_message, nodeid)
        )

    def pytest_collectreport(self, report: Any) -> None:
        from dyno import _reports

        if report.failed:
            self.say("collect_failed", **_reports.collect_failure(self.config, report))
        elif report.skipped:
            skip = _reports.collect_skip(self.config, report)
            self.say("collect_skipped", node=report.nodeid, skip=skip)

    def collected(self, items: list[dict[str, Any]], workers: int) -> None:
        from dyno import _pytest_private

        option = self.config.option
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        text = self.screen.getvalue()
        self.head = len(text)
        if workers > 1:
            # The line that counts the workers and the blank line after it are dyno's.
            at = text.rfind(f"{workers} workers [")
            self.head = at if at >= 0 else self.head
        self.say("output", text=text[: self.head])
        self.say(
            "collected",
            items=[
                {key: value for key, value in item.items() if key not in ("markers", "shares")}
                for item in items
            ],
            deselected=self.deselected,
            verbosity=option.verbose,
            report_chars=reporter.reportchars,
            summary=not option.no_summary,
            header=workers > 1 or not option.no_header,
            progress=_pytest_private.progress_style(self.config),
            traceback=option.tbstyle,
            show_capture=option.showcapture,
            rootdir=str(self.config.rootpath),
        )
        self.say("planned", units=len(items), workers=workers)

    def pytest_runtest_logreport(self, report: Any) -> None:
        from dyno import _reports

        fields = _reports.phase_report(self.config, report)
        status = fields["status"]
        silent = status["category"] is None and "sections" not in fields
        if silent and not self.keeps_silent:
            return
        fields["duration_us"] = 0
        self.say("reported", worker=0, report=fields)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.say("test_started", worker=0, test=nodeid)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.say("test_finished", worker=0, test=nodeid)

    def pytest_sessionfinish(self, session: Any) -> None:
        if session.shouldfail:
            failures = int(str(session.shouldfail).split()[2])
            self.stop = {"max_fail": {"failures": failures}}
        elif session.shouldstop:
            self.stop = {"asked": {"reason": str(session.shouldstop)}}

    def pytest_keyboard_interrupt(self, excinfo: Any) -> None:
        if self.stop is None:
            self.stop = {"asked": {"reason": excinfo.exconly()}}


def make_recorder() -> Recorder:
    import pytest

    class Recording(Recorder):
        @pytest.hookimpl(tryfirst=True)
        def pytest_runtestloop(self, session: Any) -> None:
            from dyno import _reports

            if not self.config.option.numprocesses:
                self.collected([_reports.item(item) for item in session.items], 1)

        @pytest.hookimpl(wrapper=True)
        def pytest_terminal_summary(self, terminalreporter: Any) -> Any:
            # Between the two halves of the reporter's own wrapper.
            before = len(self.screen.getvalue())
            try:
                return (yield)
            finally:
                text = self.screen.getvalue()[before:]
                if text:
                    self.say("summary", text=text)

        if "-n2" in sys.argv:

            @pytest.hookimpl(trylast=True)
            def pytest_xdist_node_collection_finished(self, node: Any, ids: list[str]) -> None:
                self.ids = ids

            def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
                if not any(event["event"] == "collected" for event in self.events):
                    self.collected(
                        [
                            {"id": id, "location": {"file": "", "line": None, "domain": ""}}
                            for id in self.ids
                        ],
                        2,
                    )
                super().pytest_runtest_logstart(nodeid)

    return Recording()


def record_one(name: str, out: Path, root: Path) -> None:
    import pytest

    recorder = make_recorder()
    args = sys.argv[sys.argv.index("--") + 1 :]
    code = int(pytest.main([*PLUGINS, "--no-header", *args], plugins=[recorder]))
    screen = recorder.screen.getvalue()
    elapsed = re.findall(r" in (\d+\.\d\d)s", screen)[-1:] or ["0"]
    if recorder.stop is not None:
        recorder.say("stopping", why=recorder.stop)
    recorder.say("run_finished", exit=code, elapsed_us=round(float(elapsed[0]) * 1e6))
    start = {
        "event": "run_started",
        "run": name,
        "dyno": "0.1.0",
        "args": args,
        "cwd": os.getcwd(),
        "unix_time": 0,
    }
    lines = [
        json.dumps({"seq": seq, "at_us": 0, **event}, ensure_ascii=False, separators=(",", ":"))
        for seq, event in enumerate([start, *recorder.events])
    ]
    for ending, text in [("jsonl", "\n".join(lines) + "\n"), ("txt", screen)]:
        path = out / f"{name}.{ending}"
        path.write_text(scrub(text, root), encoding="utf-8")


def scrub(text: str, root: Path) -> str:
    """Nothing of this machine stays in the text."""
    for place, name in [
        (str(root), "/suite"),
        (sysconfig.get_path("purelib"), "/site-packages"),
        (sysconfig.get_path("stdlib"), "/stdlib"),
        (sys.prefix, "/python"),
    ]:
        text = text.replace(place, name)
    return text


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder).resolve() / "suite"
        for name, text in SUITE.items():
            path = root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        env = {key: value for key, value in os.environ.items() if key not in ("CI", "BUILD_NUMBER")}
        env.pop("PYTEST_ADDOPTS", None)
        for name, (args, width, cwd) in CASES.items():
            command = [sys.executable, "-B", str(HERE / "record.py"), "one", name]
            done = subprocess.run(
                [*command, str(root), "--", *args],
                cwd=root / cwd,
                env={**env, "COLUMNS": str(width)},
                capture_output=True,
                text=True,
            )
            if not (HERE / f"{name}.jsonl").exists():
                sys.exit(f"{name}: {done.stdout}{done.stderr}")
    index = {name: {"args": args, "width": width} for name, (args, width, _) in CASES.items()}
    (HERE / "cases.json").write_text(json.dumps(index, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    if sys.argv[1:2] == ["one"]:
        record_one(sys.argv[2], HERE, Path(sys.argv[3]))
    else:
        main()
