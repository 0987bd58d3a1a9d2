"""What the planner's configuration refuses, and what it makes of what it accepts."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

BY_LOAD = {
    "mode": "agg",
    "optimization_target": "load",
    "decode_scale_up_kv_rate": 80,
    "decode_scale_down_kv_rate": 30,
}
BY_TARGETS = {"mode": "agg", "optimization_target": "sla"}


def config(**settings: Any) -> Any:
    from dynamo.planner.config.planner_config import PlannerConfig

    return PlannerConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"mode": "both"}, "mode"),
        ({"environment": "elsewhere"}, "environment"),
        ({"optimization_target": "fast"}, "optimization_target"),
        ({"environment": "global-planner"}, "global_planner_namespace is required"),
        ({"ttft_ms": 0}, "ttft_ms must be > 0"),
        ({"fpm_sample_bucket_size": 15}, "perfect square"),
        ({"load_adjustment_interval_seconds": 0}, "load_adjustment_interval_seconds"),
        ({"report_interval_hours": 0}, "report_interval_hours"),
        ({"report_interval_hours": math.nan}, "report_interval_hours"),
        ({"speculative_nextn": -1}, "speculative_nextn"),
        ({"scheduling": {"interval": 5}}, "scheduling.interval"),
        ({**BY_LOAD, "decode_scale_down_kv_rate": 80}, "must be greater than"),
        ({**BY_LOAD, "decode_scale_up_kv_rate": None}, "decode_scale_up_kv_rate"),
        ({**BY_LOAD, "decode_scale_up_kv_rate": 101}, "decode_scale_up_kv_rate"),
        ({**BY_LOAD, "decode_scale_down_kv_rate": -1}, "decode_scale_down_kv_rate"),
        ({**BY_LOAD, "decode_scale_down_kv_rate": math.nan}, "decode_scale_down_kv_rate"),
        ({**BY_LOAD, "mode": "disagg"}, "prefill_scale_up_queue_tokens"),
        ({**BY_TARGETS, "enable_throughput_scaling": False}, "At least one scaling mode"),
        (
            {**BY_TARGETS, "throughput_adjustment_interval_seconds": 0},
            "throughput_adjustment_interval_seconds must be > 0",
        ),
        (
            {**BY_TARGETS, "enable_load_scaling": True, "load_adjustment_interval_seconds": 180},
            "must be shorter than",
        ),
        (
            {**BY_TARGETS, "scheduling": {"scale_interval_seconds": 7}},
            "must evenly divide",
        ),
        ({"metric_pulling_prometheus_ca_bundle": "no/such/file"}, "not a file"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        config(**settings)


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({"min_gpu_budget": 9, "max_gpu_budget": 4}, id="least-above-greatest"),
        pytest.param({"min_endpoint": -1}, id="negative-workers"),
        pytest.param({"load_predictor": "oracle"}, id="unknown-predictor"),
        pytest.param({"mode": "agg", "max_gpu_budgte": 4}, id="misspelt"),
        pytest.param({**BY_TARGETS, "itl_ms": 0}, id="no-time-for-a-token"),
        pytest.param({**BY_TARGETS, "ttft_ms": math.nan}, id="target-not-a-number"),
        pytest.param({"load_scaling_down_sensitivity": 400}, id="per-cent"),
        pytest.param({"max_num_fpm_samples": 0}, id="no-samples"),
    ],
)
@pytest.mark.xfail(strict=True, raises=pytest.fail.Exception, reason="F24: accepted without a word")
def test_nonsense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - that it is refused at all.
        config(**settings)


@pytest.mark.parametrize("target", ["throughput", "latency", "load"])
def test_static_thresholds_scale_by_load_alone(target: str) -> None:
    made = config(
        **{
            **BY_LOAD,
            "optimization_target": target,
            "enable_load_scaling": False,
            "enable_throughput_scaling": True,
        }
    )

    assert made.enable_load_scaling
    assert not made.enable_throughput_scaling


@pytest.mark.parametrize(
    ("load", "throughput", "tick"), [(5, 180, 5), (25, 60, 5), (12, 18, 6), (7, 13, 1)]
)
def test_tick_divides_both_intervals(load: int, throughput: int, tick: float) -> None:
    made = config(
        **BY_TARGETS,
        load_adjustment_interval_seconds=load,
        throughput_adjustment_interval_seconds=throughput,
    )

    assert made.scheduling.scale_interval_seconds == tick


def test_older_names_still_work() -> None:
    made = config(
        **BY_TARGETS,
        ttft=111,
        itl=22,
        throughput_adjustment_interval=90,
        load_adjustment_interval=3,
    )

    assert (made.ttft_ms, made.itl_ms) == (111, 22)
    assert made.throughput_adjustment_interval_seconds == 90
    assert made.load_adjustment_interval_seconds == 3


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("planner.json", json.dumps(BY_LOAD)),
        ("planner.yaml", "\n".join(f"{key}: {value}" for key, value in BY_LOAD.items())),
        ("planner.yml", "\n".join(f"{key}: {value}" for key, value in BY_LOAD.items())),
        ("planner", json.dumps(BY_LOAD)),
        ("planner.conf", "\n".join(f"{key}: {value}" for key, value in BY_LOAD.items())),
    ],
)
def test_file_and_argument_say_the_same(tmp_path: Path, name: str, text: str) -> None:
    from dynamo.planner.config.planner_config import PlannerConfig

    path = tmp_path / name
    path.write_text(text)

    from_file = PlannerConfig.from_config_arg(str(path))

    assert from_file == PlannerConfig.from_config_arg(json.dumps(BY_LOAD)) == config(**BY_LOAD)


@pytest.mark.parametrize(
    ("argument", "complaint"),
    [
        ("no/such/file.json", "neither a valid file path nor valid JSON"),
        ("{", "neither a valid file path nor valid JSON"),
        ("[1]", "valid dictionary"),
        ('{"mode": 1}', "mode"),
        ("{" + " " * 10_000, "neither a valid file path nor valid JSON"),
    ],
    ids=["path", "cut", "list", "type", "long"],
)
def test_argument_that_is_no_config_is_refused(argument: str, complaint: str) -> None:
    from dynamo.planner.config.planner_config import PlannerConfig

    with pytest.raises(ValueError, match=complaint):
        PlannerConfig.from_config_arg(argument)


@pytest.mark.parametrize("text", ["", "- 1\n", "mode: agg"])
def test_file_that_is_no_config_is_refused(tmp_path: Path, text: str) -> None:
    from dynamo.planner.config.planner_config import PlannerConfig

    path = tmp_path / "planner.json"
    path.write_text(text)

    with pytest.raises(ValueError):  # noqa: PT011 - each kind has its own text.
        PlannerConfig.from_config_arg(str(path))
