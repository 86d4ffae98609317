"""Show requests: those of attempts, the next one of a delivery, and the one that a subscription would send.

Belongs here: what composes a request again without sending it. Called by ``api`` and ``admin``.
"""
