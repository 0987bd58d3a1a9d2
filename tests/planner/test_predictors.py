"""Load predictors: the next value of a series, from a few that were seen.

Dynamo's module imports every forecasting library at its top, so even the constant predictor needs
all of them; without one, the tests skip and name it.
"""

from __future__ import annotations

import math
from importlib import import_module
from typing import Any

import pytest

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.unit,
    pytest.mark.gpu_0,
    pytest.mark.planner,
]

PREDICTORS = ("constant", "arima", "kalman", "prophet")

FLAT = [12.0] * 10
RISING = [float(value) for value in range(1, 13)]


@pytest.fixture(autouse=True)
def _libraries() -> None:
    for library in ("pandas", "pmdarima", "filterpy", "prophet"):
        pytest.importorskip(library, reason=f"dynamo.planner's predictors need {library}")


def predictor(kind: str, *values: float, **settings: Any) -> Any:
    from dynamo.planner.config.planner_config import PlannerConfig

    module = import_module("dynamo.planner.core.load.predictors")
    made = module.LOAD_PREDICTORS[kind](PlannerConfig(load_predictor=kind, **settings))
    for value in values:
        made.add_data_point(value)
    return made


@pytest.mark.parametrize("kind", PREDICTORS)
def test_nothing_seen_is_nothing_expected(kind: str) -> None:
    assert predictor(kind).predict_next() == 0


@pytest.mark.parametrize("kind", PREDICTORS)
def test_flat_load_stays_flat(kind: str) -> None:
    assert predictor(kind, *FLAT).predict_next() == pytest.approx(12, abs=0.01)


@pytest.mark.parametrize("kind", PREDICTORS)
def test_idle_time_before_the_first_request_does_not_count(kind: str) -> None:
    late = predictor(kind, *[0.0] * 50, *FLAT)

    assert late.predict_next() == pytest.approx(predictor(kind, *FLAT).predict_next())


@pytest.mark.parametrize("kind", PREDICTORS)
def test_missing_value_counts_as_no_load(kind: str) -> None:
    assert predictor(kind, *FLAT[:3], math.nan).get_last_value() == 0


@pytest.mark.parametrize("kind", ["arima", "prophet"])
def test_few_values_are_not_extrapolated(kind: str) -> None:
    assert predictor(kind, 1, 2, 3, 4).predict_next() == 4


def test_constant_repeats_the_last() -> None:
    assert predictor("constant", 5, 9, 7).predict_next() == 7


@pytest.mark.parametrize("kind", ["kalman", "prophet"])
@pytest.mark.parametrize("log", [False, True])
def test_rising_load_goes_on_rising(kind: str, log: bool) -> None:
    assert predictor(kind, *RISING, load_predictor_log1p=log).predict_next() > RISING[-1]


@pytest.mark.parametrize("kind", ["kalman", "prophet"])
def test_asking_twice_changes_nothing(kind: str) -> None:
    made = predictor(kind, *RISING)

    assert made.predict_next() == made.predict_next()


@pytest.mark.parametrize(
    "kind",
    [
        "prophet",
        pytest.param(
            "kalman",
            marks=pytest.mark.xfail(
                strict=True, raises=AssertionError, reason="F26: the trend goes on below zero"
            ),
        ),
    ],
)
def test_load_that_falls_to_nothing_is_not_expected_below_it(kind: str) -> None:
    assert predictor(kind, *[50.0, 40.0, 30.0, 20.0, 10.0, 1.0, 0.0]).predict_next() >= 0


def test_prophet_forgets_what_is_older_than_its_window() -> None:
    assert len(predictor("prophet", *range(1, 40), prophet_window_size=8).data_buffer) == 8


def test_arima_falls_back_to_the_last_value(monkeypatch: pytest.MonkeyPatch) -> None:
    def cannot_fit(*_: Any, **__: Any) -> None:
        raise ValueError("no model of this series")

    made = predictor("arima", *RISING)
    monkeypatch.setattr("pmdarima.auto_arima", cannot_fit)

    assert made.predict_next() == RISING[-1]
