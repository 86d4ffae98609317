"""Set the channels of an alert rule.

An endpoint as channel gets a subscription to the events of the rule, like any other: it can be changed, and given a
transformer. If the endpoint subscribes to ``waypost.alert.*`` already, that subscription decides, and none is made.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db.models import Prefetch, QuerySet

from delivery.alerts.addresses import address_of
from delivery.alerts.apprise_urls import check_url, shown
from delivery.alerts.messages import FIRING, RESOLVED
from delivery.models import AlertChannel, AlertRule
from delivery.operational.operational_events import platform_tenant_id
from subscriptions.connectors.alerts import alert_transformers
from subscriptions.errors import Invalid
from subscriptions.models import Endpoint, Subscription
from subscriptions.routing.subscriptions import create_subscription
from subscriptions.routing.type_names import matching_names
from webhooks.kit.encryption import encrypt
from webhooks.kit.rest.lookup import find

MAX_CHANNELS = 10
NO_MAIL = "Mail is not set up here: it needs the settings WAYPOST_MAIL_FROM and WAYPOST_MAIL_URL."
TYPE = AlertChannel.Type
TYPES = (FIRING, RESOLVED)
_SHOWN = AlertChannel.objects.select_related("endpoint", "address").order_by("id")


def set_channels(rule: AlertRule, wanted: Sequence[Mapping[str, Any]], *, keep_rows: bool = False) -> None:
    """Make these the channels of a rule: keep equal ones, delete the others, create the rest.

    ``keep_rows``: delete the subscriptions only, so that messages which are not sent yet keep their channel. Call it in
    a transaction. Raises Invalid for a channel that cannot be used.
    """
    if len(wanted) > MAX_CHANNELS:
        raise Invalid("channels", f"A rule has at most {MAX_CHANNELS} channels.")
    current = list(rule.channel_rows.select_related("endpoint", "subscription"))
    missing = []
    for place, each in enumerate(wanted):
        same = next((it for it in current if _is_same(it, each)), None)
        if same is not None:
            current.remove(same)
        else:
            missing.append((place, each))
    for channel in current:
        _remove(channel, keep_row=keep_rows)
    for place, each in missing:
        _create(rule, each, place)


def with_channels(rows: QuerySet[AlertRule]) -> QuerySet[AlertRule]:
    """Read the channels of rules of a list in one query for all."""
    return rows.prefetch_related(Prefetch("channel_rows", _SHOWN, to_attr="shown_channels"))


def channels_of(rule: AlertRule) -> Sequence[AlertChannel]:
    """Return the channels of a rule to be shown: as they were read with the rule, or else as they are now."""
    read: Sequence[AlertChannel] | None = getattr(rule, "shown_channels", None)
    return list(_SHOWN.filter(rule=rule)) if read is None else read


def endpoint_by_ref(ref: str) -> Endpoint | None:
    """Return the endpoint with this id; None if there is none."""
    return find(Endpoint.objects.filter(deleted_at=None), ref) if ref.startswith(f"{Endpoint.prefix}_") else None


def _is_same(channel: AlertChannel, wanted: Mapping[str, Any]) -> bool:
    if channel.type != wanted["type"]:
        return False
    if channel.type == TYPE.ENDPOINT:
        return bool(wanted.get("endpoint")) and channel.endpoint_id == wanted["endpoint"].pk
    if channel.type == TYPE.EMAIL:
        return channel.email == wanted.get("email")
    return channel.shown_url == wanted.get("url")  # sent back as it was shown


def _remove(channel: AlertChannel, *, keep_row: bool) -> None:
    if channel.subscription is not None:
        channel.subscription.delete()
    if not keep_row:
        channel.delete()


def _create(rule: AlertRule, wanted: Mapping[str, Any], place: int) -> None:
    makers = {TYPE.ENDPOINT: _endpoint, TYPE.EMAIL: _email, TYPE.APPRISE: _apprise}
    if wanted["type"] not in makers:
        known = ", ".join(makers)
        raise Invalid("channels", f"type must be one of: {known}; not {wanted['type']}.", f"/{place}/type")
    made = makers[TYPE(wanted["type"])](rule, wanted, f"/{place}")
    made.rule = rule
    made.save(force_insert=True)


def _endpoint(rule: AlertRule, wanted: Mapping[str, Any], pointer: str) -> AlertChannel:
    endpoint = wanted.get("endpoint")
    if endpoint is None:
        raise Invalid("channels", "endpoint is required for this type.", f"{pointer}/endpoint")
    owner = rule.tenant_id or platform_tenant_id()
    if endpoint.tenant_id != owner or endpoint.deleted_at is not None:
        whose = "the tenant" if rule.tenant_id else "the platform's own tenant"
        raise Invalid("channels", f"endpoint must be one of {whose}.", f"{pointer}/endpoint")
    subscription = None if _receives_alerts(endpoint) else _subscribe(rule, endpoint)
    return AlertChannel(type=TYPE.ENDPOINT, endpoint=endpoint, subscription=subscription)


def _receives_alerts(endpoint: Endpoint) -> bool:
    """Return whether the endpoint has a subscription of its own to alerts, made by its owner."""
    made_here = AlertChannel.objects.filter(endpoint=endpoint, subscription__isnull=False).values("subscription")
    own = Subscription.objects.filter(endpoint=endpoint, active=True).exclude(pk__in=made_here)
    return any(own.filter(event_types__overlap=list(matching_names(it))).exists() for it in TYPES)


def _subscribe(rule: AlertRule, endpoint: Endpoint) -> Subscription | None:
    """Subscribe an endpoint to the events of the rule; one made from a connector gets what its system shows."""
    transformers = alert_transformers(endpoint)
    made = None
    groups = [(list(TYPES), None)] if not transformers else [([it], transformers[it]) for it in TYPES]
    if transformers and transformers[FIRING] == transformers[RESOLVED]:
        groups = [(list(TYPES), transformers[FIRING])]
    for types, transformer in groups:
        fields = {
            "endpoint": endpoint,
            "event_types": types,
            "pattern": {"data": {"rule": [rule.public_id]}},
            "transformer": transformer,
            "description": f"Alerts of the rule {rule.name}"[:1024],
        }
        made = create_subscription(endpoint.tenant, fields)
    return made


def _email(rule: AlertRule, wanted: Mapping[str, Any], pointer: str) -> AlertChannel:
    email = wanted.get("email") or ""
    if not settings.WAYPOST_MAIL_FROM:
        raise Invalid("channels", NO_MAIL, f"{pointer}/type")
    try:
        validate_email(email)
    except ValidationError:
        raise Invalid("channels", "email must be an e-mail address.", f"{pointer}/email") from None
    address = None if rule.tenant_id is None else address_of(rule.tenant_id, email)
    return AlertChannel(type=TYPE.EMAIL, email=email, address=address)


def _apprise(rule: AlertRule, wanted: Mapping[str, Any], pointer: str) -> AlertChannel:
    if rule.tenant_id is not None:
        raise Invalid("channels", "type apprise is for the operator's rules only.", f"{pointer}/type")
    url = wanted.get("url") or ""
    if problem := check_url(url):
        raise Invalid("channels", problem, f"{pointer}/url")
    return AlertChannel(type=TYPE.APPRISE, ciphertext=encrypt(url), shown_url=shown(url))
