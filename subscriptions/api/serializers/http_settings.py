"""Serialize what only endpoints of the kind ``http`` have; ``EndpointSerializer`` shows these fields beside its own."""

from typing import Any

from subscriptions import validation
from subscriptions.api.fields.credentials import Auth, Headers, Tls
from subscriptions.api.fields.routing import FailurePatternField
from subscriptions.api.problems import check_field
from subscriptions.endpoints.http.certificates import check_tls
from subscriptions.endpoints.http.credentials import check_auth
from subscriptions.models import HttpSettings
from webhooks.kit.rest.serializers import StrictModelSerializer


class HttpSettingsSerializer(StrictModelSerializer):
    """How deliveries are sent over HTTP."""

    headers = Headers(
        required=False,
        help_text="Custom headers to send with every delivery: names and values. API keys without the scope `manage` "
        "see `***` in place of the values; `***` in a request keeps the stored value. Default: none.",
    )
    auth = Auth(
        required=False,
        allow_null=True,
        help_text="Authentication to send in addition to the signature. Secrets in it are never shown; sent back as "
        "it was returned, it is unchanged. Null removes it. Default: none.",
    )
    tls = Tls(
        required=False,
        allow_null=True,
        help_text="Client certificate with its `private_key`, and a certificate authority, as PEM. Returned are their "
        "subject and expiry; sent back as it was returned, it is unchanged. Null removes it. Default: none.",
    )
    failure_pattern = FailurePatternField(
        required=False,
        allow_null=True,
        help_text='For APIs that respond with 2xx to what they did not accept: `{"ok": [false]}`, an event pattern on '
        "the JSON body of the response. A match is a failed attempt (`refused`), which is retried. The first 16 KiB of "
        "the body count. Null: every 2xx is a success. At most 1 KiB.",
    )
    kept_by_put = frozenset({"auth", "tls"})

    class Meta:
        model = HttpSettings
        fields = [
            "url",
            "verification",
            "verified_at",
            "headers",
            "auth",
            "tls",
            "content_mode",
            "reference_above_bytes",
            "failure_pattern",
            "connector",
        ]
        read_only_fields = ["verification", "verified_at", "connector"]

    def validate_headers(self, headers: Any) -> Any:
        check_field(validation.check_headers, headers)
        return headers

    def validate_auth(self, auth: Any) -> Any:
        if auth not in (None, {}) and (self.instance is None or auth != self.instance.auth):
            check_field(check_auth, auth)
        return auth

    def validate_tls(self, tls: Any) -> Any:
        if tls not in (None, {}) and (self.instance is None or tls != self.instance.tls):
            check_field(check_tls, tls)
        return tls
