"""Route the provider's REST resources, below /api/v1/."""

from django.urls import path
from rest_framework.routers import SimpleRouter

from delivery.api import (
    broadcasts,
    changes,
    data,
    deliveries,
    dry_runs,
    erasures,
    explanations,
    limits,
    replays,
    usage,
)
from delivery.api.alerts import alert_rules, alerts
from delivery.api.archiving import archives
from delivery.api.dead_letters import dead_letter_changes, dead_letter_jobs, dead_letters
from delivery.api.endpoints import connector_previews, lane_status, overviews, stats, test_deliveries, verification
from delivery.api.figures import delivery_stats, history
from delivery.api.publishing import events
from delivery.api.pulling import acknowledgements, messages
from delivery.api.schedules import runs, schedules

router = SimpleRouter(use_regex_path=False)
router.register("events", events.Events, "event")
router.register("deliveries", deliveries.Deliveries, "delivery")
router.register("dead-letters", dead_letters.DeadLetters, "dead-letter")
router.register("dead-letter-jobs", dead_letter_jobs.DeadLetterJobs, "dead-letter-job")
router.register("broadcasts", broadcasts.Broadcasts, "broadcast")
router.register("archives", archives.Archives, "archive")
router.register("erasures", erasures.Erasures, "erasure")
router.register("replays", replays.Replays, "replay")
router.register("schedules", schedules.Schedules, "schedule")
router.register("alert-rules", alert_rules.AlertRules, "alert-rule")
router.register("alerts", alerts.Alerts, "alert")

urlpatterns = [
    path("replays/preview/", replays.ReplayPreview.as_view(), name="replay-preview"),  # before replays/<ref>/
    path("events/batch/", events.EventBatch.as_view(), name="event-batch"),  # before events/<ref>/
    path("connectors/<str:ref>/preview/", connector_previews.ConnectorPreviews.as_view(), name="connector-preview"),
    path("endpoint-stats/", stats.AllEndpointStats.as_view(), name="endpoint-stats-of-all"),
    path("endpoint-overviews/", overviews.EndpointOverviews.as_view(), name="endpoint-overviews"),
    path("schedules/preview/", runs.SchedulePreview.as_view(), name="schedule-preview"),
    path("schedules/import/", schedules.ScheduleImport.as_view(), name="schedule-import"),
    path("schedules/<str:ref>/run/", runs.ScheduleRun.as_view(), name="schedule-run"),
    path("alert-conditions/", alert_rules.AlertConditions.as_view(), name="alert-conditions"),
    path("alert-rules/preview/", alert_rules.AlertRulePreview.as_view(), name="alert-rule-preview"),
    path("alert-rules/<str:ref>/test/", alert_rules.AlertRuleTest.as_view(), name="alert-rule-test"),
    path("alerts/<str:ref>/acknowledge/", alerts.AlertAcknowledgement.as_view(), name="alert-acknowledge"),
    path("alerts/<str:ref>/snooze/", alerts.AlertSnooze.as_view(), name="alert-snooze"),
    path("erasures/preview/", erasures.ErasurePreview.as_view(), name="erasure-preview"),
    path("erasures/<str:ref>/cancel/", erasures.ErasureCancel.as_view(), name="erasure-cancel"),
    path("broadcasts/preview/", broadcasts.BroadcastPreview.as_view(), name="broadcast-preview"),
    path("broadcasts/<str:ref>/cancel/", broadcasts.BroadcastCancel.as_view(), name="broadcast-cancel"),
    path("dead-letter-jobs/preview/", dead_letter_jobs.DeadLetterJobPreview.as_view(), name="dead-letter-job-preview"),
    path(
        "dead-letter-jobs/<str:ref>/cancel/",
        dead_letter_jobs.DeadLetterJobCancel.as_view(),
        name="dead-letter-job-cancel",
    ),
    path("dead-letters/<str:ref>/replay/", dead_letter_changes.DeadLetterReplay.as_view(), name="dead-letter-replay"),
    path(
        "dead-letters/<str:ref>/discard/", dead_letter_changes.DeadLetterDiscard.as_view(), name="dead-letter-discard"
    ),
    path(
        "dead-letters/<str:ref>/acknowledge/",
        dead_letter_changes.DeadLetterAcknowledge.as_view(),
        name="dead-letter-acknowledge",
    ),
    path("deliveries/cancel/", changes.DeliveriesCancel.as_view(), name="deliveries-cancel"),
    path("deliveries/cancel/preview/", changes.DeliveriesCancelPreview.as_view(), name="deliveries-cancel-preview"),
    *router.urls,
    path("subscriptions/test/", dry_runs.DryRuns.as_view(), name="subscription-test"),  # before subscriptions/<ref>/
    path("events/<str:ref>/deliveries/", deliveries.EventDeliveries.as_view(), name="event-deliveries"),
    path("events/<str:ref>/cancel/", events.EventCancel.as_view(), name="event-cancel"),
    path("events/<str:ref>/explain/", explanations.EventExplanation.as_view(), name="event-explanation"),
    path("events/<str:ref>/payload/", events.EventPayload.as_view(), name="event-payload"),
    path("deliveries/<str:ref>/attempts/", deliveries.DeliveryAttempts.as_view(), name="delivery-attempts"),
    path("deliveries/<str:ref>/attempts/<str:attempt>/", deliveries.DeliveryAttempt.as_view(), name="delivery-attempt"),
    path("deliveries/<str:ref>/request/", deliveries.DeliveryRequest.as_view(), name="delivery-request"),
    path("deliveries/<str:ref>/cancel/", changes.DeliveryCancel.as_view(), name="delivery-cancel"),
    path("deliveries/<str:ref>/resend/", changes.DeliveryResend.as_view(), name="delivery-resend"),
    path("deliveries/<str:ref>/retry/", changes.DeliveryRetry.as_view(), name="delivery-retry"),
    path("deliveries/<str:ref>/set-aside/", changes.DeliverySetAside.as_view(), name="delivery-set-aside"),
    path("data/<str:event>/<str:endpoint>/<str:until>/<str:signature>/", data.EventData.as_view(), name="event-data"),
    path("verification-callbacks/<str:key>/", verification.VerificationCallback.as_view(), name="verification"),
    path(
        "endpoints/<str:ref>/verification/", verification.EndpointVerification.as_view(), name="endpoint-verification"
    ),
    path("endpoints/<str:ref>/messages/", messages.Messages.as_view(), name="endpoint-messages"),
    path(
        "endpoints/<str:ref>/acknowledgements/",
        acknowledgements.Acknowledgements.as_view(),
        name="endpoint-acknowledgements",
    ),
    path("endpoints/<str:ref>/stats/", stats.EndpointStats.as_view(), name="endpoint-stats"),
    path(
        "endpoints/<str:ref>/delivery-stats/",
        delivery_stats.EndpointDeliveryStats.as_view(),
        name="endpoint-delivery-stats",
    ),
    path(
        "subscriptions/<str:ref>/delivery-stats/",
        delivery_stats.SubscriptionDeliveryStats.as_view(),
        name="subscription-delivery-stats",
    ),
    path("endpoints/<str:ref>/test/", test_deliveries.EndpointTest.as_view(), name="endpoint-test"),
    path("endpoints/<str:ref>/retry/", lane_status.EndpointRetry.as_view(), name="endpoint-retry"),
    path("tenants/<str:ref>/limits/", limits.TenantLimits.as_view(), name="tenant-limits"),
    path("endpoints/<str:ref>/history/", history.EndpointHistory.as_view(), name="endpoint-history"),
    path("history/", history.History.as_view(), name="history"),
    path("usage/", usage.UsageReport.as_view(), name="usage"),
    path("endpoints/<str:ref>/status/", lane_status.EndpointStatus.as_view(), name="endpoint-status"),
    path("replays/<str:ref>/cancel/", replays.ReplayCancel.as_view(), name="replay-cancel"),
]
