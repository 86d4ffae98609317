"""Publish events: within the plan's limits, once each, with a delivery for every endpoint whose subscriptions match.

    publish(tenant, events)         one transaction, the caller's own where there is one; raises InvalidEvent
    publish_each(tenant, events)    the same, with an error as the result of each event that is invalid

Called by the REST API, by handlers of received webhooks, by operational events, and by host projects. Read
``publisher`` first: it lists the steps ``prepare``, ``store`` (with ``fan_out``) and the notification.
"""

from delivery.publishing.publisher import publish, publish_each

__all__ = ["publish", "publish_each"]
