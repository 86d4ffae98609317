"""Serialize portal links; the URL is only in the response that creates one."""

from typing import Any
from urllib.parse import urlsplit

from rest_framework import serializers
from rest_framework.exceptions import ValidationError

from subscriptions.api.tenancy import endpoints_of
from subscriptions.models import Capability, Endpoint, PortalLink, Tenant
from subscriptions.portal_access import links, theme
from webhooks.kit.rest.fields.json_values import ListField
from webhooks.kit.rest.fields.references import IdField, ReferenceField
from webhooks.kit.rest.fields.scalars import ChoiceField, IntegerField, TextField
from webhooks.kit.rest.serializers import StrictModelSerializer, StrictSerializer

LANGUAGES = [("en", "English"), ("de", "German")]
FONTS = [(name, name.capitalize()) for name in theme.FONTS]
MODES = [(name, name.capitalize()) for name in theme.MODES]


class ColourField(TextField):
    """A colour: `#rrggbb`."""

    default_error_messages = {"colour": "Must be a colour in the form #rrggbb, such as #2456c4."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not theme.HEX.fullmatch(text):
            self.fail("colour")
        return text.lower()


class WebAddressField(TextField):
    """An absolute URL of a page or a picture."""

    default_error_messages = {"url": "Must be an absolute URL that begins with https:// (http:// for this machine)."}

    def to_internal_value(self, data: Any) -> str:
        text = super().to_internal_value(data)
        if not _is_web_address(text):
            self.fail("url")
        return text


def _is_web_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        is_local = parts.hostname in ("localhost", "127.0.0.1")
        _ = parts.port
    except ValueError:
        return False
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and is_local)
    is_plain = not set(" \"'\\;,<>\t\n") & set(text) and "@" not in parts.netloc and text.isascii()
    return bool(is_safe and parts.hostname and is_plain)


class PortalThemeSerializer(StrictSerializer):
    """How the pages of a portal look."""

    name = TextField(
        max_length=64, required=False, help_text="Name at the top of the pages, such as that of your product."
    )
    logo_url = WebAddressField(
        max_length=2048, required=False, help_text="Picture beside the name, shown 32 pixels high. `https` only."
    )
    accent = ColourField(
        required=False,
        help_text="Colour of buttons and links, `#rrggbb`. Links are darkened or lightened until they can be read.",
    )
    background = ColourField(required=False, help_text="Background of the pages in light mode. Default: `#ffffff`.")
    background_dark = ColourField(required=False, help_text="Background of the pages in dark mode. Default: `#12161d`.")
    font = ChoiceField(
        FONTS,
        required=False,
        help_text="Kind of font, of those that the reader's machine has. Default: `system`.",
    )
    mode = ChoiceField(
        MODES,
        required=False,
        help_text="Light or dark pages; `auto`: as the reader's machine says. Default: `auto`.",
    )


class PortalLinkSerializer(StrictModelSerializer):
    """A one-time link to the portal of a tenant, without its URL, and the session that it opened."""

    id = IdField(PortalLink.prefix, read_only=True)
    tenant = IdField(Tenant.prefix, source="tenant_id", read_only=True, help_text="Id of the tenant it belongs to.")
    endpoint = ReferenceField(
        lambda link: endpoints_of(link.context["request"]),
        required=False,
        allow_null=True,
        help_text="The only endpoint that the session shows: id or `uid`; returned as the id. Null: all of the tenant.",
    )
    capabilities = ListField(
        child=ChoiceField(Capability.choices),
        allow_empty=False,
        help_text="What the session allows: `view` (look at everything but payloads), `manage` (create, change, test "
        "and delete endpoints, schedules and alerts), `replay` (resend and replay), `secrets` (create and see new "
        "signing secrets and API keys), `payloads` (see data of events, requests and responses). Name at least one.",
    )
    theme = PortalThemeSerializer(required=False, help_text="How the pages look.")
    return_url = WebAddressField(
        max_length=2048,
        required=False,
        allow_blank=True,
        help_text="Page of your own that the portal leads back to. Empty: none.",
    )
    language = ChoiceField(
        LANGUAGES, required=False, allow_blank=True, help_text="Language of the pages. Null: as the browser prefers."
    )
    session_seconds = IntegerField(
        default=links.DEFAULT_SESSION,
        min_value=60,
        max_value=links.MAX_SESSION,
        help_text="Seconds that the session lasts, from the moment the link is opened. Default: 3,600; at most 7 days.",
    )

    class Meta:
        model = PortalLink
        fields = [
            *("id", "tenant", "endpoint", "capabilities", "user", "theme", "return_url", "language"),
            *("session_seconds", "expires_at", "created_by", "created_at", "opened_at", "opened_from"),
            *("session_expires_at", "last_used_at", "revoked_at"),
        ]
        read_only_fields = [
            *("expires_at", "created_by", "created_at", "opened_at", "opened_from"),
            *("session_expires_at", "last_used_at", "revoked_at"),
        ]


class PortalLinkCreateSerializer(PortalLinkSerializer):
    """A new portal link."""

    expires_in = IntegerField(
        default=links.DEFAULT_LIFETIME,
        min_value=10,
        max_value=links.MAX_LIFETIME,
        write_only=True,
        help_text="Seconds in which the link can be opened. Default: 300; at most 7 days.",
    )

    class Meta(PortalLinkSerializer.Meta):
        fields = [*PortalLinkSerializer.Meta.fields, "expires_in"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if attrs.get("theme") is not None:
            attrs["theme"] = dict(attrs["theme"])
        if len(set(attrs.get("capabilities", ()))) != len(attrs.get("capabilities", ())):
            raise ValidationError({"capabilities": ["Must not name a capability twice."]})
        return attrs


class SignedLinkSerializer(PortalLinkCreateSerializer):
    """Claims of a token that the host's application has signed, for the tenant in ``context``."""

    expires_in = None  # type: ignore[assignment]  # the token says it
    endpoint = ReferenceField(
        lambda link: Endpoint.objects.filter(tenant=link.context["tenant"], deleted_at=None),
        required=False,
        allow_null=True,
    )

    class Meta(PortalLinkSerializer.Meta):
        pass


class PortalLinkWithUrlSerializer(PortalLinkSerializer):
    """A new portal link with its URL, which is not shown again."""

    url = serializers.CharField(
        read_only=True, help_text="Address to send the user's browser to, once. It is not shown again."
    )

    class Meta(PortalLinkSerializer.Meta):
        fields = [*PortalLinkSerializer.Meta.fields, "url"]
