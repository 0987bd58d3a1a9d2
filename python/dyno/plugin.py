"""dyno's pytest plugin: the markers of a Dynamo suite and the bench's fixtures.

It is loaded by the ``pytest11`` entry point, in plain ``pytest`` as under ``dyno test``.
"""

from __future__ import annotations

import pytest

from dyno import fixtures
from dyno.compat import session

__all__ = ["MARKERS"]

#: Every marker of the suite by group, with what it says of a test.
MARKERS: dict[str, dict[str, str]] = {
    "lifecycle": {
        "pre_merge": "runs before a change is merged; quick and steady",
        "post_merge": "runs after a change is merged",
        "nightly": "runs every night",
        "weekly": "runs every week",
    },
    "role": {
        "unit": "tests one piece of code, without servers",
        "integration": "tests several components together",
        "e2e": "tests a whole deployment through its public API",
        "stress": "puts a deployment under load for a time",
        "benchmark": "measures; wants the machine to itself",
        "performance": "checks a measured figure against a bound",
    },
    "component": {
        "vllm": "concerns the vLLM engine or the mocker's vLLM flavour",
        "sglang": "concerns the SGLang engine or the mocker's SGLang flavour",
        "trtllm": "concerns the TensorRT-LLM engine",
        "trtllm_marker": "concerns the TensorRT-LLM engine (the older name)",
        "planner": "concerns the planner",
        "kv_router": "concerns KV-aware routing",
        "router": "concerns routing",
        "kvbm": "concerns the KV block manager",
        "frontend": "concerns the OpenAI-compatible frontend",
        "mocker": "runs on the mocker engine",
        "fault_tolerance": "breaks something on purpose",
    },
    "hardware": {
        "gpu_0": "needs no GPU",
        "gpu_1": "needs one GPU",
        "gpu_2": "needs two GPUs",
        "gpu_4": "needs four GPUs",
        "gpu_8": "needs eight GPUs",
    },
    "execution": {
        "slow": "takes over a minute",
        "parallel": "may run beside others on the same machine",
        "timeout": "timeout(seconds): fails when it takes longer, each phase under `dyno test`",
        "resources": "resources(slots, cpu, memory, tokens, exclusive): claims them while it runs",
        "flaky": "is known to fail now and then",
        "model": "model(name, revision=None, files='all'): uses this model, which `dyno test` "
        "fetches before; files may be 'weightless' or 'tokenizer'",
    },
}


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    # Not by `pytest_plugins`: under `dyno test` the module is there before pytest, which
    # would warn that it comes too late to rewrite its assertions.
    if not pluginmanager.has_plugin("dyno.fixtures"):
        pluginmanager.register(fixtures, "dyno.fixtures")
    if not pluginmanager.has_plugin("dyno.compat.session"):
        pluginmanager.register(session, "dyno.compat.session")


def pytest_configure(config: pytest.Config) -> None:
    for group, markers in MARKERS.items():
        for name, meaning in markers.items():
            line = meaning if meaning.startswith(f"{name}(") else f"{name}: {meaning}"
            config.addinivalue_line("markers", f"{line} [{group}]")
