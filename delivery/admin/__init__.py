"""Show operators events, deliveries, dead letters, replays, queues and usage, and let them act on deliveries.

Belongs here: admin pages, thin: fetch, call one function, respond. Rows are not edited; replays are created and
cancelled, and unfinished deliveries are retried, moved to the dead letters or cancelled. Django's admin calls in,
nothing else does. Importing a module registers its pages.
"""

from delivery.admin import archives as archives
from delivery.admin import deliveries as deliveries
from delivery.admin import erasures as erasures
from delivery.admin import events as events
from delivery.admin import jobs as jobs
from delivery.admin import queues as queues
from delivery.admin import tenant_operations as tenant_operations
from delivery.admin import usage as usage
from delivery.admin.alerts import alerts as alerts
from delivery.admin.alerts import rules as rules
from delivery.admin.dead_letters import dead_letters as dead_letters
from delivery.admin.endpoints import endpoint_operations as endpoint_operations
from delivery.admin.figures import endpoints as endpoints
from delivery.admin.figures import tenants as tenants
from delivery.admin.schedules import schedules as schedules
