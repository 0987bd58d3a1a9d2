"""Fixtures for the whole suite."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dyno
import pytest
from dyno._command import dyno_command

from tests.utils.deploying import Deploy, deployer
from tests.utils.engines import engine_python
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
    """The interpreter that runs Dynamo: what `DYNAMO_PYTHON` names, or else this one, which then
    must have Dynamo: if not, the test fails with one clear line."""
    if named := os.environ.get("DYNAMO_PYTHON"):
        return named
    if importlib.util.find_spec("dynamo.frontend") is None:
        pytest.fail("Dynamo is not installed here: uv pip install ai-dynamo==1.4.2", pytrace=False)
    return sys.executable


@pytest.fixture(scope="session")
def vllm_python(pytestconfig: pytest.Config) -> str:
    """The interpreter that has vLLM beside Dynamo; without one its tests are skipped."""
    made = pytestconfig.rootpath / ".venv/vllm/venv/bin/python"
    return engine_python("vllm", "vLLM: make vllm", made)


@pytest.fixture(scope="session")
def sglang_python(pytestconfig: pytest.Config) -> str:
    """The interpreter that has SGLang beside Dynamo; without one its tests are skipped."""
    made = pytestconfig.rootpath / ".venv/sglang/venv/bin/python"
    return engine_python("sglang", "SGLang: make sglang", made)


@pytest.fixture(scope="session")
def trtllm_python() -> str:
    """The interpreter that has TensorRT-LLM beside Dynamo; without one its tests are skipped."""
    return engine_python("trtllm", "TensorRT-LLM: an environment with ai-dynamo[trtllm]==1.4.2")


@pytest.fixture
def gate(tmp_path: Path) -> Path:
    """A file that is not there yet: replies that are caught in the middle wait for it (see
    `tests.utils.counting`)."""
    return tmp_path / "gate"


@pytest.fixture
def deploy(
    bench: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    dynamo_python: str,
) -> Iterator[Deploy]:
    """Deployments that live as long as the test."""
    yield from deployer(bench, dynamo_python, tiny_model, tmp_path_factory)


@pytest.fixture(scope="module")
def deploy_module(
    bench_module: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    dynamo_python: str,
) -> Iterator[Deploy]:
    """Deployments that live as long as the module's tests."""
    yield from deployer(bench_module, dynamo_python, tiny_model, tmp_path_factory)
