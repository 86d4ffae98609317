"""Have the programs of a machine wake up at the same moments.

A processor that was idle for a second has forgotten what a program needs: the same work takes two to fifteen times as
long as right after other work (docs/why/speed.md, "Idle"). Programs that wake up together share what they have in
common: the kernel's code, the interpreter's, and the server's.
"""

import time


def seconds_until(every: float) -> float:
    """Return in how many seconds this machine's clock shows the next multiple of ``every`` seconds.

    More than a tenth of ``every``, so that a timer that fires early, or a clock that was set, does not fire twice.
    """
    left = every - time.time() % every
    return left if left > every / 10 else left + every
