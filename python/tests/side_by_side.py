"""The same suite under pytest and under dyno, each in a folder of its own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from running import Run, run_dyno, run_pytest, write_suite

__all__ = ["Pair", "pair"]


@dataclass
class Pair:
    """Two finished runs, and where each left its files."""

    expected: Run
    got: Run
    pytest: Path
    dyno: Path

    def check(self) -> None:
        """Same outcomes, counts and exit code, and no plugin of a worker came to a bad end."""
        traceback = "Traceback (most recent call last)"
        if traceback not in self.expected.text:
            assert traceback not in self.got.text, self.got.text
        assert self.got.outcomes == self.expected.outcomes, self.got.text
        assert self.got.code == self.expected.code, self.expected.text + self.got.text
        if self.expected.outcomes:
            assert self.got.closing_counts() == self.expected.closing_counts(), self.got.text


def pair(folder: Path, files: dict[str, str], *args: str, workers: int = 2) -> Pair:
    """Run pytest, then dyno, with the same arguments. Folders have the same name."""
    pytest_folder, dyno_folder = folder / "pytest" / "suite", folder / "dyno" / "suite"
    for one in (pytest_folder, dyno_folder):
        write_suite(one, files)
    return Pair(
        run_pytest(pytest_folder, *args),
        run_dyno(dyno_folder, *args, "-n", str(workers)),
        pytest_folder,
        dyno_folder,
    )
