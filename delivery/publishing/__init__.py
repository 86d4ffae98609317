"""Publish events: within the plan's limits, once each, with a delivery for every endpoint whose subscriptions match.

    publish(tenant, events)         one transaction, the caller's own where there is one; raises PublishError
    publish_each(tenant, events)    the same, with an error as the result of each event that is invalid

Called by the REST API, by handlers of received webhooks, by operational events, and by host projects. Read
``publisher`` first: it lists the steps ``prepare``, ``store`` (with ``fan_out``) and the notification.
"""

from delivery.publishing.publisher import publish, publish_each
from delivery.publishing.results import Published, PublishError

__all__ = ["PublishError", "Published", "publish", "publish_each"]
