"""Fixtures for the whole suite."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from tests.utils.model import TinyModel

# Writing the model takes a few milliseconds; the rest is for a machine under load.
WRITE_SECONDS = 30.0


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> TinyModel:
    """The embedded model, written by `dyno models tiny`: no network, no token."""
    path = tmp_path_factory.mktemp("model") / "tiny"
    subprocess.run(
        [dyno_command(), "models", "tiny", str(path)],
        check=True,
        stdin=subprocess.DEVNULL,
        timeout=WRITE_SECONDS,
    )
    return TinyModel.load(path, name="tiny")


@pytest.fixture(scope="session")
def dynamo_python() -> str:
    """The interpreter that runs Dynamo: this one. Fails with one clear line if it has no Dynamo."""
    if importlib.util.find_spec("dynamo.frontend") is None:
        pytest.fail("Dynamo is not installed here: uv pip install ai-dynamo==1.4.2", pytrace=False)
    return sys.executable


def dyno_command() -> str:
    """The `dyno` command: DYNO_BINARY, else this environment's, else PATH's."""
    own = Path(sysconfig.get_path("scripts")) / "dyno"
    found = os.environ.get("DYNO_BINARY") or shutil.which(own) or shutil.which("dyno")
    if found is None:
        pytest.fail("no dyno command: install the dyno wheel, or set DYNO_BINARY", pytrace=False)
    return found
