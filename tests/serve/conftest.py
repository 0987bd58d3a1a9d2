"""Fixtures that serve a model.

A test asks for `deploy` and says what it wants; or, where tests only read, a module makes one
deployment for all of its tests with `deploy_module`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Protocol

import dyno
import pytest

from tests.utils.deployment import Deployment, RouterMode
from tests.utils.model import TinyModel
from tests.utils.replies import Replies
from tests.utils.workers import WorkerSpec


class Deploy(Protocol):
    """Starts a deployment and returns it when it has answered a request."""

    def __call__(
        self,
        *workers: WorkerSpec,
        router: RouterMode = RouterMode.KV,
        migration_limit: int = 0,
        replies: Replies | None = None,
    ) -> Deployment: ...


@pytest.fixture
def deploy(
    bench: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    dynamo_python: str,
) -> Iterator[Deploy]:
    """Deployments that live as long as the test."""
    yield from _deployer(bench, dynamo_python, tiny_model, tmp_path_factory)


@pytest.fixture(scope="module")
def deploy_module(
    bench_module: dyno.Bench,
    tmp_path_factory: pytest.TempPathFactory,
    tiny_model: TinyModel,
    dynamo_python: str,
) -> Iterator[Deploy]:
    """Deployments that live as long as the module's tests."""
    yield from _deployer(bench_module, dynamo_python, tiny_model, tmp_path_factory)


def _deployer(
    bench: dyno.Bench, python: str, model: TinyModel, folders: pytest.TempPathFactory
) -> Iterator[Deploy]:
    with ExitStack() as stack:

        def deploy(
            *workers: WorkerSpec,
            router: RouterMode = RouterMode.KV,
            migration_limit: int = 0,
            replies: Replies | None = None,
        ) -> Deployment:
            deployment = Deployment(
                bench,
                python,
                folders.mktemp("deployment"),
                model,
                router=router,
                migration_limit=migration_limit,
                replies=replies or {},
            )
            stack.callback(deployment.close)
            specs: Sequence[WorkerSpec] = workers or [WorkerSpec()]
            deployment.start(specs)
            return deployment

        yield deploy
