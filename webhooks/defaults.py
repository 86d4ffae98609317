"""List the settings of the receiver that a project may leave out, each with its default: the restrictive one.

Those that ``webhooks.kit`` and ``webhooks.outgoing`` read apply to the provider too. docs/reference/settings.md
describes them all.
"""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "PUBLIC_URL": "",  # address of the project from outside
    "WAYPOST_PROBLEM_TYPES": "",  # URL below which each kind of problem has its page; "": problems have no type
    "WAYPOST_HANDLERS": {},  # that a source may name: name -> dotted path
    "WAYPOST_HANDLER_WAITS": 50,  # requests of a source and web process that wait for handlers
    "WAYPOST_AUDIT_DAYS": 400,  # entries of the audit are kept; 0: for good
    "WAYPOST_AUDIT_EACH_LOOK": False,  # looks of tenants' own keys at payloads are counted
    "WAYPOST_TRUSTED_PROXIES": [],  # whose X-Forwarded-* headers are used
    "WAYPOST_DROPS_UNDERSCORES": False,  # the server may keep header names with underscores
    "WAYPOST_TRACES": 0.0,  # part of the traces that begin here; 0: no span is made
    # outgoing calls
    "WAYPOST_ALLOW_HTTP": False,  # https only
    "WAYPOST_ALLOW_NETWORKS": [],  # public addresses only
    "WAYPOST_ALLOW_SELF": False,  # not to PUBLIC_URL
    "WAYPOST_NAME_SERVERS": [],  # those of resolv.conf
    "WAYPOST_LOOKUPS_PER_TENANT": 16,  # at the same time in one process
    "WAYPOST_CALLS_PER_TENANT": 16,
    "WAYPOST_METRICS": True,  # are counted
    "WAYPOST_METRICS_BY": "none",  # no labels for tenants and endpoints
    # processes
    "WAYPOST_PREPARE_STATEMENTS": False,  # a pooler in transaction mode may stand before the database
    "WAYPOST_WEB_THREADS": 16,  # of each web process
    "WAYPOST_DEFAULT_WORKERS": None,  # processes of a Celery worker; None: unknown, so no place is kept free
    "WAYPOST_FAN_OUT_WORKERS": 1,  # of these, how many work in slices at once
}
