"""How the fixtures `deploy` and `deploy_module` start a deployment."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from typing import Protocol

import dyno
import pytest
from dyno.dynamo import FrontendSpec, MockerSpec, Planes, WorkerSpec, missing

from tests.utils.deployment import Deployment
from tests.utils.model import TinyModel

__all__ = ["Deploy", "deployer"]


class Deploy(Protocol):
    """Starts a deployment and returns it when it has answered a request.

    Without a worker named it has one mocker. What it needs and is not installed is a reason to skip
    the test.
    """

    def __call__(
        self,
        *workers: WorkerSpec,
        frontend: FrontendSpec | None = None,
        frontends: tuple[FrontendSpec, ...] = (),
        planes: Planes | None = None,
        replies: Mapping[str, str] | None = None,
    ) -> Deployment: ...


def deployer(
    bench: dyno.Bench, python: str, model: TinyModel, folders: pytest.TempPathFactory
) -> Iterator[Deploy]:
    """The body of a fixture."""
    with ExitStack() as stack:

        def deploy(
            *workers: WorkerSpec,
            frontend: FrontendSpec | None = None,
            frontends: tuple[FrontendSpec, ...] = (),
            planes: Planes | None = None,
            replies: Mapping[str, str] | None = None,
        ) -> Deployment:
            planes = planes or Planes()
            absent = [reason for service in planes.needs() if (reason := missing(service))]
            if absent:
                pytest.skip("; ".join(sorted(absent)))
            deployment = Deployment(
                bench,
                folders.mktemp("deployment"),
                model,
                planes=planes,
                script=model.script(replies or {}),
                python=python,
            )
            stack.callback(deployment.close_clients)
            deployment.start(workers or (MockerSpec(),), frontends or (frontend or FrontendSpec(),))
            return deployment

        yield deploy
