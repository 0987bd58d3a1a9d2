"""What every test here starts from."""

from __future__ import annotations

import signal

# A shell without job control has what it starts with `&` ignore these, and so all that is started
# from there; tests interrupt what they start.
for _signal, _handler in (
    (signal.SIGINT, signal.default_int_handler),
    (signal.SIGQUIT, signal.SIG_DFL),
):
    if signal.getsignal(_signal) is signal.SIG_IGN:
        signal.signal(_signal, _handler)
