"""Ask for name, password and, of users who have a second factor, its code."""

from typing import Any

from django import forms
from django.conf import settings
from django.core.exceptions import ValidationError
from unfold.forms import AuthenticationForm
from unfold.widgets import BASE_INPUT_CLASSES

from config.access.authenticator import matching_device, needs_code
from webhooks.audit.sign_ins import LOCK, is_locked, record_failure

LOCKED = f"Too many failed sign-ins. Try again in {LOCK.seconds // 60} minutes."
CODE_NEEDED = "Enter the current code of your authenticator, or one of your recovery codes."


class SignInForm(AuthenticationForm):  # type: ignore[misc]
    """The form of the admin's sign-in page."""

    code = forms.CharField(
        label="Authentication code",
        required=False,
        max_length=32,
        help_text="Only if you have set up a second factor.",
        widget=forms.TextInput(attrs={"autocomplete": "one-time-code", "class": " ".join(BASE_INPUT_CLASSES)}),
    )

    @property
    def has_identity_provider(self) -> bool:
        """Return whether users can sign in by an identity provider instead."""
        return bool(settings.WAYPOST_OIDC_ISSUER)

    def clean(self) -> dict[str, Any]:
        """Check the lock, then the password, then the code. Raises ValidationError."""
        name = self.cleaned_data.get("username", "")
        if is_locked(name, str(self.request.META.get("REMOTE_ADDR", ""))):
            raise ValidationError(LOCKED, code="locked")
        cleaned: dict[str, Any] = super().clean()
        user: Any = self.get_user()
        if user is not None and needs_code(user):
            code = cleaned.get("code", "").replace(" ", "")
            user.otp_device = matching_device(user, code) if code else None  # read by django_otp when it is signed in
            if user.otp_device is None:
                record_failure({"username": name}, self.request)
                raise ValidationError(CODE_NEEDED, code="code")
        return cleaned
