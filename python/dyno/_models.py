"""Models of the Hugging Face Hub: which a test names, and the end of one whose model cannot be had.

What is named here is parsed and fetched by the runner (`crates/dyno-runner/src/fetching`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dyno._pytest_items import is_skipped, used_fixtures
from dyno.fixtures.models import NamedModel, named_by

__all__ = ["Missing", "of_fixtures", "of_test", "place"]

#: The fixtures by which Dynamo's suites have models fetched: of a test that uses the first alone
#: no weights are.
_WEIGHTLESS, _WHOLE = "predownload_tokenizers", "predownload_models"

#: By these the Hub and its cache are found (`dyno_hub::Place`). A conftest may have set them. The
#: token's variable is not among them: the runner has its own.
_VARIABLES = (
    *("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
    *("HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
)


def of_test(item: pytest.Item) -> dict[str, list[dict[str, str]]]:
    """The field ``models`` of a test (`dyno_model::Item`); none where pytest skips it."""
    fixtures = (model for _, model in _of_fixtures(item))
    named = (*_of_markers(item), *named_by(getattr(item, "obj", None)), *fixtures)
    models = dict.fromkeys(model for model in named if _is_of_hub(model.name))
    if not models or is_skipped(item):
        return {}
    uses = getattr(item, "fixturenames", ())
    files = "weightless" if _WEIGHTLESS in uses and _WHOLE not in uses else None
    silent = (model._replace(files=model.files or files) for model in models)
    return {"models": [_as_told(model) for model in silent]}


def of_fixtures(item: pytest.Item) -> dict[str, list[dict[str, str]]]:
    """The models that a test's fixtures name, by the fixture, whatever becomes of the test."""
    models: dict[str, list[dict[str, str]]] = {}
    for name, model in _of_fixtures(item):
        models.setdefault(name, []).append(_as_told(model))
    return models


def _as_told(model: NamedModel) -> dict[str, str]:
    """A model as `dyno_model::NamedModel`."""
    return {name: text for name, text in model._asdict().items() if text is not None}


def _of_markers(item: pytest.Item) -> Iterator[NamedModel]:
    for mark in item.iter_markers("model"):
        given = mark.kwargs
        names = (*mark.args, given["name"]) if "name" in given else mark.args
        revision, files = (_text(given.get(name)) for name in ("revision", "files"))
        yield from (NamedModel(name, revision, files) for name in names)


def _of_fixtures(item: pytest.Item) -> Iterator[tuple[str, NamedModel]]:
    for name, definition in used_fixtures(item):
        yield from ((name, model) for model in named_by(definition.func))


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _is_of_hub(name: object) -> bool:
    """Whether a name is meant for the Hub: a path, and what is no text, are the suite's own."""
    if not isinstance(name, str):
        return False
    return not (name.startswith(("/", "./", "../", "~")) or (name and os.path.isdir(name)))


def place() -> dict[str, str]:
    """Where this process finds the Hub and its cache."""
    return {name: os.environ[name] for name in _VARIABLES if name in os.environ}


class Missing:
    """The plugin by which a test ends in its set-up whose model cannot be had.

    Whoever starts pytest registers it, so that it comes behind the hooks of plugins and
    conftests, which may skip the test, and before pytest sets fixtures up.
    """

    #: Why the test that runs now cannot, where it is so.
    text: str | None = None

    def pytest_runtest_setup(self) -> None:
        if self.text is not None:
            pytest.fail(self.text, pytrace=False)
