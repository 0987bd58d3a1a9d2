r"""A Prometheus exposition as typed samples, read strictly.

The grammar is Prometheus's text format, version 0.0.4:

    line    = "# TYPE " name " " kind | "#" anything | sample | nothing
    sample  = name [ "{" [ label { "," label } [ "," ] ] "}" ] " " value [ " " timestamp ]
    label   = label-name "=" '"' { character | "\\" | '\"' | "\n" } '"'

`prometheus_client` reads this too, but renames a counter that does not end in `_total`, so that a
sample could not be found by the name that is on the page; and it lets pass what a scraper would
not: a sample that is there twice, a histogram whose buckets shrink or disagree with its count.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

__all__ = ["Exposition", "InvalidExposition", "Sample", "parse"]

KINDS = {"counter", "gauge", "histogram", "summary", "untyped"}

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\"n])*)"(?:,|$)')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? +(\S+)(?: +-?[0-9]+)?")
ESCAPE = re.compile(r'\\([\\"n])')


class InvalidExposition(ValueError):
    """A text that a Prometheus server would refuse or misread."""


@dataclass(frozen=True)
class Sample:
    """One line: a name, its labels, a value."""

    name: str
    labels: Mapping[str, str]
    value: float

    def has(self, labels: Mapping[str, str]) -> bool:
        """Whether this sample bears all of the given labels with these values."""
        return all(self.labels.get(key) == value for key, value in labels.items())


@dataclass(frozen=True)
class Exposition:
    """All samples of one scrape, and the type of every family."""

    samples: tuple[Sample, ...]
    kinds: Mapping[str, str]

    def find(self, name: str, **labels: str) -> Iterator[Sample]:
        """The samples of that name that bear at least the given labels."""
        return (s for s in self.samples if s.name == name and s.has(labels))

    def total(self, name: str, **labels: str) -> float:
        """The sum of the matching samples: 0 where there is none, as for a counter not yet hit."""
        return sum(sample.value for sample in self.find(name, **labels))

    def only(self, name: str, **labels: str) -> Sample:
        """The one matching sample.

        Raises:
            LookupError: there is none, or more than one.
        """
        found = list(self.find(name, **labels))
        if len(found) != 1:
            raise LookupError(f"{len(found)} samples of {name} bear {labels}, expected one")
        return found[0]


def parse(text: str) -> Exposition:
    """Reads an exposition.

    Raises:
        InvalidExposition: a line does not parse, a sample is there twice, or a histogram is
            broken.
    """
    samples: list[Sample] = []
    kinds: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        try:
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                _declare(name, kind, kinds)
            elif line and not line.startswith("#"):
                samples.append(_sample(line))
        except ValueError as error:
            raise InvalidExposition(f"line {number}, {line!r}: {error}") from error
    _check_unique(samples)
    exposition = Exposition(tuple(samples), kinds)
    for name, kind in kinds.items():
        if kind == "histogram":
            _check_histogram(name, exposition)
    return exposition


def _declare(name: str, kind: str, kinds: dict[str, str]) -> None:
    if kind not in KINDS:
        raise ValueError(f"{kind} is no type")
    if name in kinds:
        raise ValueError(f"{name} has a type already")
    kinds[name] = kind


def _sample(line: str) -> Sample:
    match = SAMPLE.fullmatch(line)
    if match is None:
        raise ValueError("not a sample")
    name, labels, value = match.groups()
    return Sample(name, _labels(labels or ""), float(value))


def _labels(text: str) -> dict[str, str]:
    labels: dict[str, str] = {}
    place = 0
    while place < len(text):
        match = LABEL.match(text, place)
        if match is None:
            raise ValueError(f"not a label: {text[place:]}")
        name, value = match.groups()
        if name in labels:
            raise ValueError(f"label {name} is there twice")
        labels[name] = ESCAPE.sub(lambda m: {"n": "\n"}.get(m[1], m[1]), value)
        place = match.end()
    return labels


def _check_unique(samples: list[Sample]) -> None:
    seen: set[tuple[str, frozenset[tuple[str, str]]]] = set()
    for sample in samples:
        key = (sample.name, frozenset(sample.labels.items()))
        if key in seen:
            raise InvalidExposition(f"{sample.name} with {dict(sample.labels)} is there twice")
        seen.add(key)


def _check_histogram(name: str, exposition: Exposition) -> None:
    """Buckets grow with their bound and end in `+Inf`, which equals the count."""
    series: dict[frozenset[tuple[str, str]], list[tuple[float, float]]] = defaultdict(list)
    for bucket in exposition.find(f"{name}_bucket"):
        labels = {key: value for key, value in bucket.labels.items() if key != "le"}
        series[frozenset(labels.items())].append((float(bucket.labels["le"]), bucket.value))
    for key, buckets in series.items():
        labels = dict(key)
        buckets.sort()
        counts = [count for _, count in buckets]
        if counts != sorted(counts):
            raise InvalidExposition(f"the buckets of {name} with {labels} shrink: {counts}")
        if not math.isinf(buckets[-1][0]):
            raise InvalidExposition(f"{name} with {labels} has no +Inf bucket")
        count = [s.value for s in exposition.find(f"{name}_count") if dict(s.labels) == labels]
        if count != counts[-1:]:
            raise InvalidExposition(
                f"{name} with {labels} counts {count}, its +Inf bucket {counts[-1:]}"
            )
