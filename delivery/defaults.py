"""List the settings of delivery that a project may leave out, each with its default.

docs/reference/settings.md describes them.
"""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "WAYPOST_MAX_EVENT_BYTES": 1024**2,  # one event: 1 MiB
    "WAYPOST_FAN_OUT_STEPS": 100_000,  # of one event in a request: about 10 ms of CPU
    "WAYPOST_FAN_OUT_STEPS_PER_SECOND": 1_000_000,  # of a tenant
    "WAYPOST_FAN_OUT_DELIVERIES": 1_000,  # of one event in a request
    "WAYPOST_FAN_OUT_BYTES": 2 * 1024**2,  # rendered for one event: 2 MiB
    "WAYPOST_DISABLE_AFTER_DAYS": 5,  # of failures only, until an endpoint is disabled; 0: never
    "WAYPOST_DISABLE_AFTER_FAILURES": 20,  # in a row, which that takes as well
    "WAYPOST_TESTS_PER_TENANT": 3,  # test deliveries, per process
    "WAYPOST_DATA": "/",  # the directory of which the disk is watched
    "WAYPOST_ALERT_RULES_PER_TENANT": 50,
    "WAYPOST_TRACE_URL": "",  # of a trace in your viewer, with {trace_id}
    "WAYPOST_MAIL_FROM": "",  # sender of alerts by mail; empty: none is sent
    "WAYPOST_PORTAL_FRAME_ANCESTORS": (),  # origins whose pages may embed the portal
    "WAYPOST_WEB_WORKERS": 1,  # web processes: with more, publishers notify drains after the commit
}
