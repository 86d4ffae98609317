"""Set up a second factor: the codes of an authenticator (TOTP, RFC 6238), and recovery codes for when it is lost."""

from base64 import b32encode
from importlib import import_module
from typing import Any

from django import forms
from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django_otp import DEVICE_ID_SESSION_KEY
from django_otp.plugins.otp_totp.models import TOTPDevice

from config.access.authenticator import Authenticator
from config.access.recovery_codes import RecoveryCodes, new_recovery_codes
from webhooks.audit.entries import record_about


class CodeForm(forms.Form):
    """Ask for the current code of the authenticator."""

    code = forms.CharField(
        max_length=8,
        label="Code that the authenticator shows",
        widget=forms.TextInput(attrs={"class": "wp-input", "autocomplete": "one-time-code", "inputmode": "numeric"}),
    )

    def __init__(self, data: Any, device: Authenticator) -> None:
        super().__init__(data)
        self._device = device

    def clean_code(self) -> str:
        """Check the code, which cannot be used again."""
        code = str(self.cleaned_data["code"]).replace(" ", "")
        if not self._device.verify_token(code):
            raise forms.ValidationError("This is not the current code. Wait for the next one and try again.")
        return code


def page(request: HttpRequest) -> HttpResponse:
    """Show the state of the user's second factor; on POST confirm a new one, or remove it."""
    device, is_new = _device_of(request.user)
    form = CodeForm(request.POST or None, device)
    if request.method == "POST" and form.is_valid():
        return _confirmed(request, device) if is_new else _removed(request)
    return _page(request, form=form, is_new=is_new, device=device)


def has_second_factor(user: Any) -> bool:
    """Return whether a user has set up a second factor."""
    return bool(Authenticator.objects.filter(user=user, confirmed=True).exists())


def remove_second_factor(user: Any) -> None:
    """Delete the authenticator and the recovery codes of a user."""
    Authenticator.objects.filter(user=user).delete()
    TOTPDevice.objects.filter(user=user).delete()  # what processes of the version before the encryption ask for
    RecoveryCodes.objects.filter(user=user).delete()


def _record(user: Any, note: str) -> None:
    record_about(user, note)


def _device_of(user: Any) -> tuple[Authenticator, bool]:
    """Return the user's authenticator, and whether it still has to be confirmed."""
    confirmed = Authenticator.objects.filter(user=user, confirmed=True).first()
    if confirmed is not None:
        return confirmed, False
    device, _ = Authenticator.objects.get_or_create(user=user, confirmed=False, defaults={"name": "authenticator"})
    return device, True


def _confirmed(request: HttpRequest, device: Authenticator) -> HttpResponse:
    device.confirmed = True
    device.save(update_fields=["confirmed"])
    codes = new_recovery_codes(request.user)
    request.session[DEVICE_ID_SESSION_KEY] = device.persistent_id
    _record(request.user, "second factor set up")
    return _page(request, codes=codes)


def _removed(request: HttpRequest) -> HttpResponse:
    remove_second_factor(request.user)
    _record(request.user, "second factor removed")
    messages.success(request, "Your second factor is removed.")
    return redirect("second-factor")


def _page(
    request: HttpRequest, *, device: Authenticator | None = None, is_new: bool = False, **shown: Any
) -> HttpResponse:
    if device is not None and is_new:
        segno = import_module("segno")  # a MiB that all programs would share, for one page
        qr_code = segno.make(device.uri, micro=False).svg_inline(scale=5, dark="#111", light="#fff")
        shown |= {"qr_code": SafeString(qr_code), "key": b32encode(device.key).decode()}
    context = {**admin.site.each_context(request), "title": "Second factor", "is_new": is_new, **shown}
    return TemplateResponse(request, "config/second_factor.html", context)


view = admin.site.admin_view(page)
