"""The Prometheus reader takes what a scraper takes, and nothing else."""

from __future__ import annotations

import pytest
from dyno.dynamo.prometheus import InvalidExposition, parse

PAGE = r"""# HELP requests Requests served.
# TYPE requests counter
requests{model="tiny",path="/v1"} 3
requests{model="tiny",path="a \"quoted\" \\ one\n"} 4 1700000000
# TYPE wait_seconds histogram
wait_seconds_bucket{le="0.5"} 1
wait_seconds_bucket{le="+Inf"} 2
wait_seconds_sum 1.25
wait_seconds_count 2
idle NaN
"""


def test_samples_keep_names_labels_and_values() -> None:
    page = parse(PAGE)

    assert page.kinds == {"requests": "counter", "wait_seconds": "histogram"}
    assert page.only("requests", path="/v1").value == 3
    assert page.only("wait_seconds_sum").value == 1.25
    assert [s.labels["path"] for s in page.find("requests", model="tiny")] == [
        "/v1",
        'a "quoted" \\ one\n',
    ]


def test_total_sums_what_bears_the_labels() -> None:
    page = parse(PAGE)

    assert page.total("requests") == 7
    assert page.total("requests", path="/v1") == 3
    assert page.total("requests", path="/v2") == 0


def test_only_refuses_to_choose() -> None:
    with pytest.raises(LookupError, match="2 samples of requests"):
        parse(PAGE).only("requests")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("requests", "line 1, 'requests': not a sample"),
        ("requests three", "could not convert"),
        ("2requests 3", "not a sample"),
        ('requests{model="tiny} 3', "not a label"),
        ('requests{a="1",a="2"} 3', "label a is there twice"),
        ("# TYPE requests bar", "bar is no type"),
        ("# TYPE a gauge\n# TYPE a gauge", "line 2.*has a type already"),
        ('requests{a="1",b="2"} 3\nrequests{b="2",a="1"} 3', "is there twice"),
        (
            '# TYPE w histogram\nw_bucket{le="1"} 3\nw_bucket{le="+Inf"} 2\nw_count 2',
            "the buckets of w with {} shrink",
        ),
        ('# TYPE w histogram\nw_bucket{le="1"} 3\nw_count 3', "no .Inf bucket"),
        ('# TYPE w histogram\nw_bucket{le="+Inf"} 3\nw_count 4', "counts"),
    ],
)
def test_invalid_text_is_refused(text: str, complaint: str) -> None:
    with pytest.raises(InvalidExposition, match=complaint):
        parse(text)
