"""Write the headers that tell a client how much of a rate limit is left (draft-ietf-httpapi-ratelimit-headers-10).

``RateLimit-Policy`` names the limits that apply, ``RateLimit`` what is left of them. Both are lists of the structured
fields of RFC 9651: ``RateLimit: "publish_rate";r=42;t=1``.
"""

POLICY = "RateLimit-Policy"
STATE = "RateLimit"


def rate_limit_headers(name: str, *, quota: int, window: int, left: int, reset: int) -> dict[str, str]:
    """Return the headers of a limit of ``quota`` per ``window`` seconds; ``reset``: seconds until it is restored."""
    return {POLICY: f'"{name}";q={quota};w={window}', STATE: f'"{name}";r={left};t={reset}'}


def exhausted_header(name: str, reset: int) -> dict[str, str]:
    """Return the header of a limit of which nothing is left for ``reset`` seconds."""
    return {STATE: f'"{name}";r=0;t={reset}'}
