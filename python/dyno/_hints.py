"""Hints for arguments that nobody knows."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence

__all__ = ["nearest_options"]

# Long options of `dyno test` itself, which pytest never sees.
_OWN_OPTIONS = (
    *("--numprocesses", "--no-capture", "--import-all", "--python", "--profile", "--deadline"),
    *("--retries", "--repeat", "--until-fail", "--shuffle", "--partition", "--resume"),
)


def nearest_options(args: Sequence[str], known: Sequence[str]) -> Iterator[str]:
    """A line for each long option among ``args`` that is not known but nearly is."""
    if not known:
        return
    given = [arg.partition("=")[0] for arg in args if arg.startswith("--") and arg != "--"]
    for option in given:
        nearest = difflib.get_close_matches(option, [*known, *_OWN_OPTIONS], n=1)
        if option not in known and nearest:
            yield f"hint: is `{option}` meant to be `{nearest[0]}`?\n"
