"""Models of the Hugging Face Hub: which a test names, and the end of one whose model cannot be had.

What is named here is parsed and fetched by the runner (`crates/dyno-runner/src/fetching`).
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from dyno._pytest_items import is_skipped, used_fixtures
from dyno.fixtures.models import NamedModel, named_by

__all__ = ["Missing", "named", "place"]

#: The fixtures by which Dynamo's suites have models fetched: of a test that uses the first alone
#: no weights are.
_WEIGHTLESS, _WHOLE = "predownload_tokenizers", "predownload_models"

#: By these the Hub and its cache are found (`dyno_hub::Place`). A conftest may have set them. The
#: token's variable is not among them: the runner has its own.
_VARIABLES = (
    *("HOME", "XDG_CACHE_HOME", "HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"),
    *("HF_TOKEN_PATH", "HF_ENDPOINT", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"),
)


def named(item: pytest.Item) -> list[dict[str, str]]:
    """The models that a test names, as `dyno_model::NamedModel`; none where pytest skips it."""
    models = dict.fromkeys((*_of_markers(item), *_of_fixtures(item)))
    if not models or is_skipped(item):
        return []
    fixtures = getattr(item, "fixturenames", ())
    weightless = _WEIGHTLESS in fixtures and _WHOLE not in fixtures
    return [_as_told(model, weightless) for model in models]


def _as_told(model: NamedModel, weightless: bool) -> dict[str, str]:
    if model.files is None and weightless:
        model = model._replace(files="weightless")
    return {name: text for name, text in model._asdict().items() if text is not None}


def _of_markers(item: pytest.Item) -> Iterator[NamedModel]:
    for mark in item.iter_markers("model"):
        given = mark.kwargs
        names = (*mark.args, given["name"]) if "name" in given else mark.args
        revision, files = (_text(given.get(name)) for name in ("revision", "files"))
        yield from (NamedModel(name, revision, files) for name in names if _is_of_hub(name))


def _of_fixtures(item: pytest.Item) -> Iterator[NamedModel]:
    yield from named_by(getattr(item, "obj", None))
    for definition in used_fixtures(item):
        yield from (model for model in named_by(definition.func) if _is_of_hub(model.name))


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
