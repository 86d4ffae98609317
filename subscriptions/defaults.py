"""List the settings of subscriptions that a project may leave out, each with its default.

docs/reference/settings.md describes them.
"""

from typing import Any

DEFAULTS: dict[str, Any] = {
    "WAYPOST_CATALOGUE": "public",  # who may browse event types: "public" or "key"
    "WAYPOST_CREATE_TENANTS": False,  # for a uid that a platform key publishes to
    "WAYPOST_UNKNOWN_EVENT_TYPES": "accept",  # or "warn", "refuse": types that are not in the catalogue
    "WAYPOST_ENDPOINTS_PER_ORIGIN": 100,  # of a tenant; 0: no limit
    "WAYPOST_MAX_REQUEST_BYTES": 16 * 1024**2,  # one API request: 16 MiB
    "WAYPOST_EXPENSIVE_REQUESTS": 4,  # previews, exports, dry runs at a time in a web process; a tenant has half
    "WAYPOST_STATEMENT_SECONDS": 0,  # the platform's limit, which its connections have
    "WAYPOST_PORTAL_KEYS": (),  # with which the host's application signs links to the portal
    "WAYPOST_ENDPOINT_VERIFICATION": "off",  # or "required": before anything is sent to an endpoint
}
