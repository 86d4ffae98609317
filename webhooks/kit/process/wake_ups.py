"""Compute waits so that the programs of a machine wake up at the same moments.

After an idle second the caches of a processor are cold: the same work takes two to fifteen times as long as right after
other work (docs/why/speed.md, "Idle"). Programs that wake up together share what one of them has loaded: code of the
kernel, the interpreter and PostgreSQL.
"""

import time


def seconds_until(every: float) -> float:
    """Return in how many seconds this machine's clock shows the next multiple of ``every`` seconds.

    More than a tenth of ``every``, so that a timer which fires a little early does not fire again at the same multiple.
    """
    left = every - time.time() % every
    return left if left > every / 10 else left + every
