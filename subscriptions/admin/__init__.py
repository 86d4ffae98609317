"""Show operators tenants, plans, API keys, endpoints, subscriptions, event types and inspectors, to act on some.

Belongs here: admin pages, thin: fetch, call one function, respond. Tenants and plans are edited, API keys created and
revoked, endpoints paused, enabled and disabled, signing secrets rotated. A new key or secret is shown once, on a page
that browsers do not store. Django's admin calls in, nothing else does.
"""

from subscriptions.admin import accounts as accounts
from subscriptions.admin import endpoints as endpoints
from subscriptions.admin import event_types as event_types
from subscriptions.admin import grants as grants
from subscriptions.admin import inspectors as inspectors
from subscriptions.admin.endpoint_operations import states as states
