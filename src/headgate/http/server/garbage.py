"""How often the garbage collector looks: seldom, once a server has started. Called by `working`.

Nothing on the request path makes reference cycles, so counting references frees what a request leaves. What is left to
the collector is the rare cycle of an error's traceback or of a library. Looking for it by Python's defaults cost 59 µs
a request, most of it in looks at everything that start-up had made, of 100 ms each; these settings cost none while
traffic is steady, and 11 ms once 50 000 objects more have been made than freed.
"""

from __future__ import annotations

import gc

YOUNG = 50_000
"""Objects made and not freed since the last look. It is above what a server holds for running requests and for traces
that wait to be written, which would otherwise be looked at again and again; as garbage, it would be some 10 MiB."""


def settle() -> None:
    """Set apart what start-up has made, which lives as long as the process; call once, when all is loaded."""
    gc.collect()
    gc.freeze()
    _, second, third = gc.get_threshold()
    gc.set_threshold(YOUNG, second, third)
