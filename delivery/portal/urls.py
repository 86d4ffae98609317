"""Route the pages of the portal, at the root."""

from django.urls import path, register_converter
from django.urls.converters import StringConverter

from delivery.portal import account, catalogue, messages, opening
from delivery.portal.alerts import alerts, rules
from delivery.portal.endpoints import changes, new_endpoint, overview
from delivery.portal.schedules import schedule_form, schedules
from subscriptions.portal_access.links import TOKEN
from subscriptions.portal_access.signed_links import SIGNED


class PortalToken(StringConverter):
    """The token of a link, random or signed."""

    regex = f"{TOKEN}|{SIGNED.pattern}"


class EndpointAction(StringConverter):
    """The name of an action on an endpoint."""

    regex = "pause|resume|retry|verify"


class DeliveryAction(StringConverter):
    """The name of an action on a delivery."""

    regex = "resend|retry|cancel"


class ScheduleAction(StringConverter):
    """The name of an action on a schedule."""

    regex = "pause|resume|run|delete"


class AlertAction(StringConverter):
    """The name of an action on an alert."""

    regex = "acknowledge|snooze"


class RuleAction(StringConverter):
    """The name of an action on an alert rule."""

    regex = "enable|disable|test|delete"


register_converter(PortalToken, "portal_token")
register_converter(EndpointAction, "endpoint_action")
register_converter(DeliveryAction, "delivery_action")
register_converter(ScheduleAction, "schedule_action")
register_converter(AlertAction, "alert_action")
register_converter(RuleAction, "rule_action")

portal_urlpatterns = [
    path("portal/open/<portal_token:token>/", opening.open_portal, name="portal-open"),
    path("portal/end/", opening.EndSession.as_view(), name="portal-end"),
    path("portal/theme.css", opening.ThemeSheet.as_view(), name="portal-theme"),
    path("portal/", overview.EndpointList.as_view(), name="portal"),
    path("portal/endpoints/new/", new_endpoint.NewEndpoint.as_view(), name="portal-new"),
    path("portal/endpoints/new/http/", new_endpoint.NewHttpEndpoint.as_view(), name="portal-new-http"),
    path(
        "portal/endpoints/new/connector/<str:connector>/",
        new_endpoint.NewConnectorEndpoint.as_view(),
        name="portal-new-connector",
    ),
    path("portal/match/", new_endpoint.Match.as_view(), name="portal-match"),
    path("portal/endpoints/<str:ref>/", overview.EndpointDetail.as_view(), name="portal-endpoint"),
    path("portal/endpoints/<str:ref>/status/", overview.EndpointStatus.as_view(), name="portal-endpoint-status"),
    path("portal/endpoints/<str:ref>/settings/", changes.Settings.as_view(), name="portal-endpoint-settings"),
    path("portal/endpoints/<str:ref>/events/", changes.Events.as_view(), name="portal-endpoint-events"),
    path("portal/endpoints/<str:ref>/secrets/", changes.Secrets.as_view(), name="portal-endpoint-secrets"),
    path("portal/endpoints/<str:ref>/test/", changes.Test.as_view(), name="portal-endpoint-test"),
    path("portal/endpoints/<str:ref>/recover/", changes.Recover.as_view(), name="portal-endpoint-recover"),
    path("portal/endpoints/<str:ref>/delete/", changes.Delete.as_view(), name="portal-endpoint-delete"),
    path(
        "portal/endpoints/<str:ref>/<endpoint_action:action>/",
        changes.Action.as_view(),
        name="portal-endpoint-action",
    ),
    path("portal/messages/", messages.MessageList.as_view(), name="portal-messages"),
    path("portal/messages/<str:ref>/", messages.MessageDetail.as_view(), name="portal-message"),
    path("portal/deliveries/<str:ref>/", messages.DeliveryDetail.as_view(), name="portal-delivery"),
    path(
        "portal/deliveries/<str:ref>/attempts/<str:attempt>/", messages.AttemptDetail.as_view(), name="portal-attempt"
    ),
    path(
        "portal/deliveries/<str:ref>/<delivery_action:action>/",
        messages.DeliveryAction.as_view(),
        name="portal-delivery-action",
    ),
    path("portal/catalogue/", catalogue.TypeList.as_view(), name="portal-catalogue"),
    path("portal/catalogue/<str:ref>/", catalogue.TypeDetail.as_view(), name="portal-type"),
    path("portal/schedules/", schedules.ScheduleList.as_view(), name="portal-schedules"),
    path("portal/schedules/new/", schedule_form.NewSchedule.as_view(), name="portal-new-schedule"),
    path("portal/schedules/preview/", schedule_form.SchedulePreview.as_view(), name="portal-schedule-preview"),
    path("portal/schedules/<str:ref>/", schedules.ScheduleDetail.as_view(), name="portal-schedule"),
    path("portal/schedules/<str:ref>/edit/", schedule_form.EditSchedule.as_view(), name="portal-edit-schedule"),
    path(
        "portal/schedules/<str:ref>/<schedule_action:action>/",
        schedules.ScheduleAction.as_view(),
        name="portal-schedule-action",
    ),
    path("portal/alerts/", alerts.AlertList.as_view(), name="portal-alerts"),
    path("portal/alerts/<str:ref>/<alert_action:action>/", alerts.AlertAction.as_view(), name="portal-alert-action"),
    path("portal/alert-rules/new/", rules.ChooseCondition.as_view(), name="portal-choose-condition"),
    path("portal/alert-rules/new/<str:condition>/", rules.NewRule.as_view(), name="portal-new-alert-rule"),
    path("portal/alert-rules/preview/", rules.RulePreview.as_view(), name="portal-alert-rule-preview"),
    path("portal/alert-rules/<str:ref>/", rules.RuleDetail.as_view(), name="portal-alert-rule"),
    path(
        "portal/alert-rules/<str:ref>/<rule_action:action>/",
        rules.RuleAction.as_view(),
        name="portal-alert-rule-action",
    ),
    path("portal/usage/", account.Usage.as_view(), name="portal-usage"),
    path("portal/keys/", account.Keys.as_view(), name="portal-keys"),
    path("portal/activity/", account.Activity.as_view(), name="portal-activity"),
]
