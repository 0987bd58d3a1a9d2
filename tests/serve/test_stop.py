"""Where a reply ends before `max_tokens`: stop strings, stop tokens."""

from __future__ import annotations

import openai
import pytest
from dyno.dynamo import nvext

from tests.utils.deploying import Deploy
from tests.utils.deployment import Deployment
from tests.utils.streams import collect_completion

pytestmark = [
    pytest.mark.pre_merge,
    pytest.mark.e2e,
    pytest.mark.gpu_0,
    pytest.mark.vllm,
    pytest.mark.frontend,
    pytest.mark.mocker,
]

FOX = "the quick brown fox jumps over the lazy dog."

ends_in_an_error = "Dynamo 1.4.2 with a mocker ends in an error: docs/findings.md, F1"


@pytest.fixture(scope="module")
def served(deploy_module: Deploy) -> Deployment:
    return deploy_module(replies={"fox": FOX})


def test_stop_string_that_does_not_occur_changes_nothing(served: Deployment) -> None:
    completion = served.openai.completions.create(
        model=served.model.name,
        prompt="go",
        max_tokens=100,
        stop=["cat", "fox."],
        extra_body=nvext(reply="fox"),
    )

    assert [(choice.text, choice.finish_reason) for choice in completion.choices] == [
        (FOX, "length")
    ]


@pytest.mark.xfail(strict=True, raises=openai.InternalServerError, reason=ends_in_an_error)
@pytest.mark.parametrize("stop", ["fox", [" fox", "dog"], ["ox ju"]])
def test_reply_ends_before_the_first_stop_string(served: Deployment, stop: str | list[str]) -> None:
    completion = served.openai.completions.create(
        model=served.model.name,
        prompt="go",
        max_tokens=100,
        stop=stop,
        extra_body=nvext(reply="fox"),
    )

    (choice,) = completion.choices
    first = min(FOX.index(text) for text in ([stop] if isinstance(stop, str) else stop))
    assert choice.text == FOX[:first]
    assert choice.finish_reason == "stop"


@pytest.mark.xfail(strict=True, raises=openai.APIError, reason=ends_in_an_error)
def test_stream_ends_before_the_stop_string(served: Deployment) -> None:
    streamed = collect_completion(
        served.openai.completions.create(
            model=served.model.name,
            prompt="go",
            max_tokens=100,
            stop="lazy",
            stream=True,
            extra_body=nvext(reply="fox"),
        )
    )

    assert streamed.text == FOX.partition("lazy")[0]
    assert streamed.finishes == ["stop"]


@pytest.mark.xfail(strict=True, raises=openai.InternalServerError, reason=ends_in_an_error)
def test_reply_ends_before_a_stop_token(served: Deployment) -> None:
    tokens = served.model.encode(FOX)
    completion = served.openai.completions.create(
        model=served.model.name,
        prompt="go",
        max_tokens=100,
        extra_body={**nvext(reply="fox"), "stop_token_ids": [tokens[5]]},
    )

    (choice,) = completion.choices
    assert choice.text == served.model.decode(tokens[:5])
    assert choice.finish_reason == "stop"


@pytest.mark.xfail(
    strict=True,
    raises=openai.InternalServerError,
    reason="Dynamo 1.4.2 takes no more than four and says so with a 500: docs/findings.md, F2",
)
def test_too_many_stop_strings_are_refused(served: Deployment) -> None:
    with pytest.raises(openai.BadRequestError):
        served.openai.completions.create(
            model=served.model.name, prompt="go", max_tokens=3, stop=["1", "2", "3", "4", "5"]
        )
