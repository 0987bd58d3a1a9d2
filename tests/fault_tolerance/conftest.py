"""Fixtures for the tests of faults."""

from __future__ import annotations

from collections.abc import Callable

import dyno
import pytest
from dyno.dynamo import Planes, missing

from tests.utils.deployment import Deployment
from tests.utils.model import TinyModel


@pytest.fixture
def prepare(
    bench: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    dynamo_python: str,
) -> Callable[[Planes], Deployment]:
    """Gives a deployment of which only the services run, so that a test can put something between
    them and the rest (`Deployment.start`)."""

    def prepare(planes: Planes) -> Deployment:
        absent = [reason for service in planes.needs() if (reason := missing(service))]
        if absent:
            pytest.skip("; ".join(sorted(absent)))
        folder = tmp_path_factory.mktemp("deployment")
        return Deployment(bench, folder, tiny_model, planes=planes, python=dynamo_python)

    return prepare
