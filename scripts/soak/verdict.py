"""What must hold of a run, whoever was killed in it.

A test has the outcome that it has undisturbed, or one that a kill justifies: it ran in, or
waited for, what was killed. Where the run came to its own end, each test has one.
"""

from __future__ import annotations

import json
import re
import signal
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from suite import SHARES_A_SERVER

__all__ = ["Kill", "Outcomes", "Recording", "judge", "judge_resumed", "phase_of"]

Event = dict[str, Any]
Outcomes = dict[str, tuple[str, ...]]

# A test may have begun before a kill and be told of after it: the runner was waiting for a
# processor. So much later, by its clock.
LAG_US = 2_000_000


@dataclass
class Kill:
    """A signal that was sent."""

    kind: str
    number: int
    pid: int
    #: What was running, as far as it was told: lines of the journal.
    lines: int
    #: The worker that it was for, where the process tells: `gw0`.
    worker: str | None = None
    #: Processes above it.
    ancestors: list[int] = field(default_factory=list)
    #: Whether it was stopped first.
    stopped: bool = False
    phase: str = ""

    @property
    def name(self) -> str:
        name = signal.Signals(self.number).name
        return f"SIGSTOP+{name}" if self.stopped else name

    @property
    def is_deadly(self) -> bool:
        return self.number in (signal.SIGKILL, signal.SIGSEGV)

    def __str__(self) -> str:
        whose = f" of {self.worker}" if self.worker else ""
        return f"{self.name} to {self.kind} {self.pid}{whose} at line {self.lines} ({self.phase})"


class Recording:
    """A journal, read as anybody would: one event a line."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.torn = 0
        self.damaged: list[int] = []
        self.events: list[Event] = []
        text = path.read_bytes() if path.exists() else b""
        lines = text.split(b"\n")
        self.torn = len(lines.pop())
        for number, line in enumerate(lines[1:], 1):
            try:
                self.events.append({"line": number, **json.loads(line)})
            except ValueError:
                self.damaged.append(number)

    def of(self, kind: str) -> list[Event]:
        return [event for event in self.events if event["event"] == kind]

    def tests(self) -> list[str]:
        collected = self.of("collected")
        return [item["id"] for item in collected[-1]["items"]] if collected else []

    def workers(self) -> dict[int, str]:
        """The processes of the workers."""
        return {event["pid"]: f"gw{event['worker']}" for event in self.of("worker_started")}

    def outcomes(self) -> Outcomes:
        found: dict[str, list[str]] = {}
        for event in self.of("reported"):
            category = event["report"]["status"]["category"]
            if category:
                found.setdefault(event["report"]["test"], []).append(category)
        return {test: tuple(categories) for test, categories in found.items()}


def phase_of(recording: Recording) -> str:
    """How far a run has come."""
    kinds = {event["event"] for event in recording.events}
    if "run_finished" in kinds:
        return "end"
    if "planned" in kinds:
        ended = len(recording.of("test_finished"))
        return "teardown" if ended >= len(recording.tests()) else "run"
    return "collection" if "template_started" in kinds else "start-up"


def _justified(recording: Recording, kills: list[Kill]) -> set[str]:
    """The tests that the kills may have changed the outcome of."""
    pids = recording.workers()
    started = recording.of("test_started")
    finished = {event["test"]: event["line"] for event in recording.of("test_finished")}
    found: set[str] = set()
    for kill in kills:
        hit = {pids.get(kill.pid), kill.worker, *map(pids.get, kill.ancestors)} - {None}
        every = kill.kind in ("keeper", "runner")
        before = [event["at_us"] for event in recording.events if event["line"] < kill.lines]
        until = (before[-1] if before else 0) + LAG_US
        for event in started:
            test = event["test"]
            if not every and f"gw{event['worker']}" not in hit:
                continue
            if finished.get(test, kill.lines) < kill.lines:
                continue
            shares = SHARES_A_SERVER in test and kill.kind in ("agent", "server")
            if event["at_us"] <= until or shares:
                found.add(test)
    return found


def _exit_codes(recording: Recording, kills: list[Kill]) -> set[int]:
    """What the run may end with. 1 undisturbed: some tests fail on purpose."""
    codes = {1}
    told = " ".join(event["message"] for event in recording.of("run_failed"))
    for kill in kills:
        if kill.kind in ("worker", "fork", "holder", "first") and "after its last test" in told:
            # What a session's teardown was to do was not done, and it is no test's.
            codes.add(3)
        if kill.kind == "runner":
            # Before it listens to signals it dies by them.
            codes |= {-kill.number} if kill.is_deadly else {2, -kill.number}
        elif kill.kind == "keeper" and kill.is_deadly:
            codes.add(3)
        elif kill.kind in ("template", "fork") and kill.phase != "run":
            # Nobody can collect again what was not collected yet, nor end its session.
            codes |= {2, 3} if kill.number == signal.SIGINT else {3}
        elif kill.kind == "template" and recording.of("stopping"):
            # Of a run that is being stopped the template is not replaced.
            codes |= {2, 3}
        elif kill.kind in ("template", "worker", "fork") and kill.number == signal.SIGINT:
            # pytest's Ctrl-C.
            codes.add(2)
    return codes


def judge(
    recording: Recording, code: int, kills: list[Kill], expected: Outcomes, said: str
) -> list[str]:
    """What is wrong with a run that was disturbed."""
    wrong: list[str] = []
    if code not in _exit_codes(recording, kills):
        wrong.append(f"exit code {code}")
    # Python's own word, where somebody interrupts it while it loads pytest.
    replaced = False
    interrupted = False
    for kill in (kill for kill in kills if kill.kind == "template"):
        # The second loads it while tests run.
        interrupted |= kill.number == signal.SIGINT and (replaced or kill.phase != "run")
        replaced = True
    # Tests' own failures have tracebacks too, and the stacks of a SIGSEGV begin otherwise.
    traceback = r"panicked at|INTERNALERROR|\(most recent call last\):\n(  .*\n)*.*/dyno/\w+\.py"
    if re.search(traceback, said) and not interrupted:
        wrong.append("it says a traceback")
    if recording.damaged:
        wrong.append(f"damaged lines {recording.damaged}")
    if recording.torn and code >= 0:
        wrong.append("a torn journal of a runner that lived")
    ended = bool(recording.of("run_finished"))
    if code >= 0 and not ended:
        wrong.append(f"exit code {code}, and the journal does not say that it ended")
    wrong += _account(recording, kills, expected, whole=code in (0, 1))
    return wrong


def judge_resumed(
    recording: Recording, code: int, kills: list[Kill], first: Recording, expected: Outcomes
) -> list[str]:
    """What is wrong with a run that goes on where the first was cut off."""
    wrong = [f"resumed: {what}" for what in _account(recording, [], expected, True, first, kills)]
    if code != 1:
        wrong.append(f"resumed: exit code {code}")
    return wrong


def _account(
    recording: Recording,
    kills: list[Kill],
    expected: Outcomes,
    whole: bool,
    first: Recording | None = None,
    first_kills: list[Kill] | None = None,
) -> list[str]:
    wrong = []
    justified = _justified(recording, kills)
    if first:
        justified |= _justified(first, first_kills or [])
    outcomes = recording.outcomes()
    begun = Counter(event["test"] for event in recording.of("test_started"))
    ended = Counter(event["test"] for event in recording.of("test_finished"))
    wrong += [f"{test} began {n} times" for test, n in begun.items() if n > 1]
    wrong += [f"{test} ended {n} times" for test, n in ended.items() if n > 1]
    wrong += [f"{test} is no test" for test in outcomes if test not in expected]
    for test, right in expected.items():
        got = outcomes.get(test)
        if got == right or test in justified:
            continue
        if got is None:
            if whole or test in ended:
                wrong.append(f"{test} has no outcome")
        elif test in ended or whole or got != right[: len(got)]:
            wrong.append(f"{test} came to {got} instead of {right}")
    if whole:
        wrong += [f"{test} has no outcome at all" for test in justified if test not in outcomes]
    return wrong
