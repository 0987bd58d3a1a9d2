"""What fails where pytest has no report for it."""

from __future__ import annotations

import contextlib
import sys
import traceback
from collections.abc import Iterator

import pytest

from dyno._timeouts import is_of_pytest

__all__ = ["told_shortly"]


@contextlib.contextmanager
def told_shortly(session: pytest.Session) -> Iterator[None]:
    """Say what fixtures raise while a session is torn down that was interrupted.

    pytest ends by it with the whole of its own traceback. A session that succeeded until then
    does so here too.
    """
    try:
        yield
    except Exception as error:
        if session.exitstatus == pytest.ExitCode.OK:
            raise
        for one in getattr(error, "exceptions", [error]):
            frames = traceback.extract_tb(one.__traceback__)
            where = [frame for frame in frames if not is_of_pytest(frame)]
            told = [*traceback.format_list(where), *traceback.format_exception_only(one)]
            sys.stderr.write("failed while the session was torn down:\n" + "".join(told))
        sys.stderr.flush()
