"""The model list and what else says what is served."""

from __future__ import annotations

import openai
import pytest

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.frontend,
    pytest.mark.mocker,
]


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module()


def test_model_list_names_the_served_model_once(served: Deployment) -> None:
    models = served.openai.models.list().data

    assert [model.id for model in models] == [served.model.name]
    assert models[0].object == "model"
    assert models[0].model_extra is not None
    assert models[0].model_extra["context_window"] == served.workers[0].spec.max_model_len


def test_model_is_found_by_its_name(served: Deployment) -> None:
    assert served.openai.models.retrieve(served.model.name).id == served.model.name


def test_model_that_is_not_served_is_not_found(served: Deployment) -> None:
    with pytest.raises(openai.NotFoundError, match="Model not found"):
        served.openai.models.retrieve("absent")


def test_readiness_counts_the_workers(served: Deployment) -> None:
    reply = served.client.get(f"/v1/models/{served.model.name}/ready")

    assert reply.status == 200
    namespaces = reply.json()["namespaces"]
    assert [n["worker_types"]["aggregated"]["workers"] for n in namespaces.values()] == [1]


def test_health_lists_the_worker_that_metrics_name(served: Deployment) -> None:
    health = served.client.get("/health").json()

    assert health["status"] == "healthy"
    generating = [i for i in health["instances"] if i["endpoint"] == "generate"]
    assert [i["instance_id"] for i in generating] == [served.workers[0].id]
