"""Profiling data: from files on disk to a model of the engine, and what bad files give."""

from __future__ import annotations

import asyncio
import json
import math
from pathlib import Path
from typing import Any

import pytest

from tests.planner.deployments import planner, queueing, tick

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

PREFILL: dict[str, Any] = {
    "prefill_isl": [500, 1000, 2000, 4000, 6000, 8000],
    "prefill_ttft": [50.0, 100.0, 200.0, 400.0, 600.0, 800.0],
}
DECODE: dict[str, Any] = {
    "x_kv_usage": [0.1, 0.2, 0.4, 0.6, 0.8, 1.0],
    "y_context_length": [1000, 1000, 2000, 2000, 4000, 4000],
    "z_itl": [6.0, 7.0, 9.0, 11.0, 13.0, 15.0],
    "max_kv_tokens": 10_000,
}


def results(
    path: Path, *, archive: bool = False, prefill: Any = PREFILL, decode: Any = DECODE
) -> str:
    """Profiling results as the profiler leaves them: text, or NumPy archives."""
    for side, data in (("prefill", prefill), ("decode", decode)):
        if not archive:
            (path / f"{side}_raw_data.json").write_text(json.dumps(data))
            continue
        import numpy as np

        below = path / f"selected_{side}_interpolation"
        below.mkdir()
        arrays: dict[str, Any] = {
            key: np.atleast_1d(np.array(value)) for key, value in data.items()
        }
        np.savez(below / "raw_data.npz", **arrays)
    return str(path)


def passes(stored: str | None, side: str = "prefill") -> list[Any]:
    """The forward passes that the planner starts from. No worker answers for itself."""
    from dynamo.planner.config.defaults import SubComponentType
    from dynamo.planner.monitoring.perf_metrics import fetch_pre_deployment_metrics
    from dynamo.planner.monitoring.worker_info import WorkerInfo

    found: list[Any] = asyncio.run(
        fetch_pre_deployment_metrics(
            runtime=object(),
            namespace="test",
            worker_info=WorkerInfo(),
            profile_results_dir=stored,
            component_type=SubComponentType(side),
        )
    )
    return found


@pytest.mark.parametrize("archive", [False, True])
def test_prefill_points_become_forward_passes(tmp_path: Path, archive: bool) -> None:
    found = passes(results(tmp_path, archive=archive))

    assert [one.scheduled_requests.sum_prefill_tokens for one in found] == PREFILL["prefill_isl"]
    assert [one.scheduled_requests.num_prefill_requests for one in found] == [1] * len(found)
    assert [1000 * one.wall_time for one in found] == pytest.approx(PREFILL["prefill_ttft"])


@pytest.mark.parametrize("archive", [False, True])
def test_decode_points_become_forward_passes(tmp_path: Path, archive: bool) -> None:
    found = passes(results(tmp_path, archive=archive), "decode")

    # So much of the cache in use, by requests of such a length.
    scheduled = [one.scheduled_requests for one in found]
    assert [one.sum_decode_kv_tokens for one in scheduled] == [1000, 2000, 4000, 6000, 8000, 10_000]
    assert [one.num_decode_requests for one in scheduled] == [1, 2, 2, 3, 2, 2]
    assert [1000 * one.wall_time for one in found] == pytest.approx(DECODE["z_itl"])


def test_archive_goes_before_text(tmp_path: Path) -> None:
    results(tmp_path, archive=True)
    results(tmp_path, prefill={"prefill_isl": [1], "prefill_ttft": [1.0]})

    assert len(passes(str(tmp_path))) == len(PREFILL["prefill_isl"])


@pytest.mark.parametrize(
    "prefill",
    [
        pytest.param({"prefill_isl": [], "prefill_ttft": []}, id="empty"),
        pytest.param({"prefill_isl": [500]}, id="no-times"),
        pytest.param({**PREFILL, "prefill_isl": [math.nan] * 6}, id="lengths-not-numbers"),
        pytest.param({**PREFILL, "prefill_ttft": ["fast"] * 6}, id="times-are-words"),
        pytest.param([1, 2, 3], id="not-a-mapping"),
    ],
)
def test_bad_data_is_no_data(tmp_path: Path, prefill: Any) -> None:
    from dynamo.planner.monitoring.perf_metrics import PreDeploymentMetricsUnavailableError

    with pytest.raises(PreDeploymentMetricsUnavailableError, match="profile_results_dir"):
        passes(results(tmp_path, prefill=prefill))


@pytest.mark.parametrize("side", ["prefill", "decode"])
def test_missing_files_are_no_data(tmp_path: Path, side: str) -> None:
    from dynamo.planner.monitoring.perf_metrics import PreDeploymentMetricsUnavailableError

    with pytest.raises(PreDeploymentMetricsUnavailableError):
        passes(str(tmp_path), side)
    with pytest.raises(PreDeploymentMetricsUnavailableError):
        passes(str(tmp_path / "nowhere"), side)
    with pytest.raises(PreDeploymentMetricsUnavailableError):
        passes(None, side)


@pytest.mark.parametrize("cut", [0, 10])
@pytest.mark.parametrize("archive", [False, True])
def test_cut_file_is_no_data(tmp_path: Path, archive: bool, cut: int) -> None:
    from dynamo.planner.monitoring.perf_metrics import PreDeploymentMetricsUnavailableError

    results(tmp_path, archive=archive)
    for file in [*tmp_path.glob("*.json"), *tmp_path.glob("*/*.npz")]:
        file.write_bytes(file.read_bytes()[:cut])

    with pytest.raises(PreDeploymentMetricsUnavailableError):
        passes(str(tmp_path))


@pytest.mark.xfail(
    strict=True,
    raises=pytest.fail.Exception,
    reason="F25: of two columns of different length, the longer is cut without a word",
)
def test_columns_of_different_length_are_no_data(tmp_path: Path) -> None:
    from dynamo.planner.monitoring.perf_metrics import PreDeploymentMetricsUnavailableError

    cut = {**PREFILL, "prefill_ttft": PREFILL["prefill_ttft"][1:]}

    with pytest.raises(PreDeploymentMetricsUnavailableError):
        passes(results(tmp_path, prefill=cut))


def bootstrapped(path: Path, times: list[float]) -> Any:
    """A planner that scales prefill by latency, from profiled times to the first token."""
    state = planner(
        mode="prefill", optimization_target="sla", enable_load_scaling=True, ttft_ms=1000
    )
    state.load_benchmark_fpms(
        prefill_fpms=passes(results(path, prefill={**PREFILL, "prefill_ttft": times}))
    )
    return state


def test_longer_queue_is_never_estimated_shorter(tmp_path: Path) -> None:
    # Not quite a line, as measurements are.
    state = bootstrapped(tmp_path, [70.0, 95.0, 230.0, 390.0, 640.0, 790.0])
    estimates = []
    for queue in range(0, 40_000, 250):
        tick(state, prefill=[queueing(queue)])
        estimates.append(state.diagnostics().estimated_ttft_ms)

    assert estimates == sorted(estimates)
    assert estimates[0] > 0


def test_estimate_lies_on_the_profiled_line(tmp_path: Path) -> None:
    state = bootstrapped(tmp_path, PREFILL["prefill_ttft"])

    tick(state, prefill=[queueing(3000)])

    # 0.1 ms a token, for what waits and the next prompt, of the mean length.
    mean = sum(PREFILL["prefill_isl"]) / len(PREFILL["prefill_isl"])
    assert state.diagnostics().estimated_ttft_ms == pytest.approx(0.1 * (3000 + mean), rel=1e-3)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param(PREFILL["prefill_ttft"][::-1], id="longer-prompts-take-less"),
        pytest.param([math.nan] * 6, id="not-numbers"),
        pytest.param([-1.0] * 6, id="negative"),
        pytest.param([0.0] * 6, id="nothing"),
    ],
)
def test_impossible_profile_decides_nothing(tmp_path: Path, times: list[float]) -> None:
    state = bootstrapped(tmp_path, times)

    assert tick(state, prefill=[queueing(100_000)]) is None
    assert state.diagnostics().load_decision_reason == "insufficient_data"
