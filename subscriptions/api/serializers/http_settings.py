"""Serialize what only endpoints of the kind ``http`` have; ``EndpointSerializer`` shows these fields beside its own."""

from typing import Any

from subscriptions import validation
from subscriptions.api.fields.credentials import Auth, Headers, Tls
from subscriptions.api.problems import check_field
from subscriptions.endpoints.http.certificates import check_tls
from subscriptions.endpoints.http.credentials import check_auth
from subscriptions.models import HttpSettings
from webhooks.kit.rest.serializers import StrictModelSerializer


class HttpSettingsSerializer(StrictModelSerializer):
    """How deliveries are sent over HTTP."""

    headers = Headers(
        required=False,
        help_text="Custom headers, sent with every delivery. Keys without the scope `manage` see `***` instead of "
        "values; `***` sent back keeps the stored value.",
    )
    auth = Auth(
        required=False,
        allow_null=True,
        help_text="Authentication in addition to the signature. Secrets are never shown; sent back as shown, it keeps "
        "them. Null: none.",
    )
    tls = Tls(
        required=False,
        allow_null=True,
        help_text="A client `certificate` with its `private_key`, and certificate authorities (`ca`), as PEM. Shown "
        "are subject and expiry; sent back as shown, they stay. Null: none.",
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
        ]
        read_only_fields = ["verification", "verified_at"]

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
