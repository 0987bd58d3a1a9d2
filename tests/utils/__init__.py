"""What the tests share: deployments, replies, streams, metrics, waiting."""

import pytest

# Before they are imported: what their assertions say is part of a failure, as in a test's own file.
pytest.register_assert_rewrite("tests.utils.engines", "tests.utils.mockers")
