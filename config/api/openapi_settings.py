"""Set what the API description (OpenAPI) says besides the operations: introduction, tags, names of enumerations.

Plain values: ``config.settings`` reads them before any app is loaded.
"""

API_DESCRIPTION = """\
Send webhooks to your customers and receive webhooks from others.

**Start**: create an endpoint, subscribe it to event types, publish an event; then look at the event's deliveries.

**Tenants**: each of your customers is a tenant, with endpoints, subscriptions and events of its own. A customer's API
key acts for its tenant. The platform key of your backend acts for every tenant: name the tenant in `Waypost-Tenant`.

**Authentication**: `Authorization: Bearer wp_...`.

**Lists** come in pages, newest first: `data`, and `next` and `previous` as URLs. Filters are query parameters; an
unknown one is an error.

**Errors** are problem details (RFC 9457, `application/problem+json`): `errors` names each invalid field.

**Paths** work with and without the last slash.

**Retries** are safe: send an `Idempotency-Key` with a POST. **Concurrent changes**: send the `ETag` you read as
`If-Match`.
"""
API_TAGS = [
    {
        "name": "Events",
        "description": "Publish events and see what became of them. Besides JSON, `POST /events` accepts CloudEvents "
        "1.0 in structured mode (`application/cloudevents+json`) and in binary mode (headers `ce-...`, a body of any "
        "type), and both paths accept batches of CloudEvents (`application/cloudevents-batch+json`).",
    },
    {"name": "Endpoints", "description": "Where webhooks are sent, how they are signed, and how deliveries are going."},
    {"name": "Endpoint types", "description": "Systems that deliveries can be written to, with their settings."},
    {"name": "Connectors", "description": "Ready settings for the APIs of known systems, such as Slack or PagerDuty."},
    {"name": "Subscriptions", "description": "Which events an endpoint gets."},
    {"name": "Event types", "description": "What can be published, with schemas and examples."},
    {"name": "Masking keys", "description": "Keys that decrypt what masks have encrypted."},
    {"name": "Deliveries", "description": "One event for one endpoint, with every attempt."},
    {"name": "Dead letters", "description": "Deliveries that were given up."},
    {"name": "Dead letter jobs", "description": "Discarding or acknowledging many dead letters, with progress."},
    {"name": "Replays", "description": "Send dead letters or past events again."},
    {"name": "Archives", "description": "Hours of events that were moved to object storage."},
    {"name": "Erasures", "description": "Erase what there is about one subject."},
    {"name": "Schedules", "description": "Events that are published at times."},
    {"name": "Alert conditions", "description": "What alert rules can watch, with the parameters of each."},
    {"name": "Alert rules", "description": "Conditions that are watched, and who gets the messages about them."},
    {"name": "Alerts", "description": "What is wrong now, and what was: acknowledge and snooze."},
    {"name": "Grants", "description": "Types of events of a tenant that another tenant may subscribe to."},
    {"name": "Broadcasts", "description": "One event for all tenants, or for some. Platform keys only."},
    {"name": "Inspectors", "description": "Addresses that keep every request, to see what is sent."},
    {"name": "Sources", "description": "Addresses that receive webhooks of others, and other systems that are read."},
    {"name": "Senders", "description": "Services whose webhooks are known, with their schemes."},
    {"name": "Receipts", "description": "Messages that were received, and their handlers."},
    {"name": "Rejections", "description": "A sample of the requests that were rejected, with reasons."},
    {"name": "Keys", "description": "API keys of tenants and of the platform."},
    {"name": "Portal links", "description": "One-time links to the pages on which a customer manages its webhooks."},
    {"name": "Tenants", "description": "Your customers: one tenant for each. Platform keys only."},
    {"name": "Plans", "description": "What tenants may use. Platform keys only."},
    {"name": "Usage", "description": "What was used, by day and type."},
    {"name": "Audit", "description": "Who changed what, when and from where."},
    {"name": "Status", "description": "How busy the platform is. Platform keys only."},
]
"""The resources of the API, in the order in which a newcomer learns them."""

SPECTACULAR_SETTINGS = {
    "TITLE": "Waypost",
    "DESCRIPTION": API_DESCRIPTION,
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "POSTPROCESSING_HOOKS": ["drf_spectacular.hooks.postprocess_schema_enums", "config.api.openapi.complete"],
    "LICENSE": {"name": "MIT", "url": "https://opensource.org/license/mit"},
    "SERVERS": [{"url": "/", "description": "This platform."}],
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_AUTHENTICATION": [],
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "TAGS": API_TAGS,
    "ENUM_NAME_OVERRIDES": {
        "AuditAction": "webhooks.models.AuditEntry.Action",
        "AuditActorType": "webhooks.models.AuditEntry.Actor",
        "AuditOrigin": "webhooks.models.AuditEntry.Origin",
        "ApiKeyRole": "subscriptions.tenants.roles.Role",
        "MaskingAction": "webhooks.wire.masking.masks.ACTIONS",
        "MaskOwner": "delivery.reading.requests.shaping.OWNERS",
        "EndpointState": "subscriptions.models.Endpoint.State",
        "EndpointVerificationState": "subscriptions.models.HttpSettings.Verification",
        "UnknownEventTypes": "subscriptions.models.Tenant.UnknownEventTypes",
        "EventRouting": "delivery.models.Event.Routing",
        "DeliveryState": "delivery.models.Delivery.State",
        "ScheduleState": "delivery.models.Schedule.State",
        "ScheduleActionAfterCompletion": "delivery.models.Schedule.AfterCompletion",
        "ScheduleCatchUp": "delivery.models.Schedule.CatchUp",
        "AlertState": "delivery.models.Alert.State",
        "AlertSeverity": "delivery.models.AlertRule.Severity",
        "AlertChannelType": "delivery.models.AlertChannel.Type",
        "AlertConditionName": "delivery.api.serializers.alerts.CONDITION_NAMES",
        "EventBridgeScheduleState": "delivery.api.serializers.schedules.STATES",
        "EventBridgeScheduleAction": "delivery.api.serializers.schedules.ACTIONS",
        "EventBridgeWindowMode": "delivery.api.serializers.schedules.MODES",
        "ReplayState": "delivery.models.Replay.State",
        "ReplayScope": "delivery.models.Replay.Scope",
        "DeadLetterCause": "delivery.models.DeadLetter.Cause",
        "DeadLetterState": "delivery.models.DeadLetter.State",
        "DeadLetterOperation": "delivery.models.DeadLetterJob.Operation",
        "RequestRepeat": "delivery.transports.http.repeats.CHOICES",
        "EndpointChange": "delivery.reading.requests.sent_request.CHOICES",
        "ReceiptAttemptOutcome": "webhooks.processing.receipts.OUTCOMES",
        "DeliveryOutcome": "delivery.api.explanations.OUTCOMES",
        "EndpointQueueState": "delivery.api.endpoints.lane_status.QUEUE_STATES",
        "MessageEncoding": "delivery.api.pulling.messages.ENCODINGS",
        "MessageReportResult": "delivery.pulling.reports.RESULTS",
        "EndpointHealthState": "delivery.api.endpoints.lane_status.HEALTH_STATES",
        "CircuitBreakerState": "delivery.api.endpoints.lane_status.BREAKER_STATES",
        "PlatformBusy": "config.status.serializers.BUSY",
        "PlatformBusyBecause": "config.status.serializers.BECAUSE",
        "EndpointBehindBecause": "delivery.api.endpoints.lane_status.BEHIND_BECAUSE",
        "LimitSetBy": "delivery.api.limits.SET_BY",
        "VerificationMethod": "delivery.api.endpoints.verification.METHODS",
        "PublishBatchItemStatus": "delivery.api.publishing.forms.ITEM_STATUSES",
        "CloudEventsVersion": "delivery.api.serializers.cloud_events.SPEC_VERSIONS",
        "EndpointDisabledReason": "subscriptions.models.Endpoint.DisabledReason",
        "EndpointContentMode": "subscriptions.models.HttpSettings.ContentMode",
        "EndpointOrdering": "subscriptions.models.Endpoint.Ordering",
        "ConnectorCategory": "subscriptions.connectors.connector.CATEGORY_CHOICES",
        "EndpointRatePeriod": "subscriptions.models.Endpoint.RatePeriod",
        "SigningScheme": "subscriptions.api.serializers.endpoint_secrets.SIGNING",
        "SchemaCheckMode": "subscriptions.event_types.models.SchemaCheckMode",
        "ApiKeyScope": "subscriptions.models.Scope",
        "PortalCapability": "subscriptions.models.Capability",
        "PortalFont": "subscriptions.api.portal.serializers.FONTS",
        "PortalMode": "subscriptions.api.portal.serializers.MODES",
        "PortalLanguage": "subscriptions.api.portal.serializers.LANGUAGES",
        "ReceiptCause": "webhooks.models.Receipt.Cause",
        "SourceDedupe": "webhooks.models.Source.Dedupe",
        "SourceState": "webhooks.models.Source.State",
        "ReceiptStepName": "webhooks.processing.steps.run.ORDER",
        "ReceiptStepOutcome": "webhooks.processing.steps.run.STEP_OUTCOMES",
        "SourceReadingState": "webhooks.readers.reading_state.STATES",
        "SettingType": "webhooks.kit.kinds.setting.SETTING_TYPES",
        "EndpointBatchStatus": "subscriptions.api.serializers.endpoint_batch.STATUSES",
        "SourceEnvelope": "webhooks.models.Source.Envelope",
        "SourceResponseWhen": "webhooks.models.Source.ResponseWhen",
    },
}
