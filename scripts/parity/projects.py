"""The projects of `projects.toml`, and how their sources are come by."""

from __future__ import annotations

import importlib
import shutil
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["PLACE", "PYTHON", "ROOT", "Project", "read"]

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PLACE = ROOT / ".venv/parity"
# What the tests run in: a link, not to be resolved.
PYTHON = PLACE / "venv/bin/python"


@dataclass(frozen=True)
class Project:
    """An entry of `projects.toml`: its comment says what the fields mean."""

    name: str
    habit: str
    version: str = ""
    sha256: str = ""
    args: tuple[str, ...] = ()
    select: tuple[tuple[str, ...], ...] = ()
    package: str = ""
    path: str = ""
    no_outcomes: str = ""

    @property
    def title(self) -> str:
        """Its name and version."""
        return f"{self.name} {self.version}".strip()

    def folder(self) -> Path:
        """The project's sources, fetched if they are not there."""
        if self.path:
            return ROOT / self.path
        target = PLACE / "src" / f"{self.name}-{self.version}"
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            (self._copy if self.package else self._fetch)(target)
        return target

    def _fetch(self, target: Path) -> None:
        downloads = PLACE / "downloads" / target.name
        shutil.rmtree(downloads, ignore_errors=True)
        downloads.mkdir(parents=True)
        pin = downloads / "pin.txt"
        pin.write_text(f"{self.name}=={self.version} --hash=sha256:{self.sha256}\n")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
        source = ["--no-deps", "--no-binary", ":all:", "--require-hashes"]
        subprocess.run([*pip, *source, "-r", pin, "-d", downloads], check=True)
        (archive,) = downloads.glob("*.tar.gz")
        with tarfile.open(archive) as release:
            release.extractall(downloads, filter="data")
        (folder,) = (entry for entry in downloads.iterdir() if entry.is_dir())
        if not _is_configured(folder):
            # Else pytest goes on upward, to this repository's configuration.
            (folder / "pytest.ini").write_text("[pytest]\n")
        folder.rename(target)

    def _copy(self, target: Path) -> None:
        """Of an installed package: tests that a wheel carries."""
        (source,) = PLACE.glob(f"venv/lib/python3.*/site-packages/{self.package}")
        partial = target.with_name(f"{target.name}.partial")
        shutil.rmtree(partial, ignore_errors=True)
        binaries = shutil.ignore_patterns("*.so", "__pycache__")
        shutil.copytree(source, partial / self.package, ignore=binaries)
        (partial / "pytest.ini").write_text("[pytest]\n")
        partial.rename(target)


def _is_configured(folder: Path) -> bool:
    """Whether pytest takes its configuration from this folder."""
    sections = {
        "pyproject.toml": "[tool.pytest",
        "tox.ini": "[pytest]",
        "setup.cfg": "[tool:pytest]",
    }
    files = [folder / name for name in sections]
    return any((folder / name).exists() for name in ("pytest.ini", ".pytest.ini")) or any(
        sections[file.name] in file.read_text(encoding="utf-8") for file in files if file.exists()
    )


def read() -> list[Project]:
    """All of them, in the order of the file."""
    # Of Python 3.11, which the projects need; the rest of the repository is checked for 3.10.
    tomllib: Any = importlib.import_module("tomllib")
    told = tomllib.loads((HERE / "projects.toml").read_text(encoding="utf-8"))["project"]
    return [_project(entry) for entry in told]


def _project(told: dict[str, Any]) -> Project:
    told["args"] = tuple(told.get("args", ()))
    told["select"] = tuple(map(tuple, told.get("select", ())))
    return Project(**told)
