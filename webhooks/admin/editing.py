"""The pages that make a source and change it: the form is theirs, what is right the serializer says, as over REST.

Names may be looked up while a source is judged, so these pages are no transaction (Django's own form pages are one);
only the change is. A change made for what somebody else has changed meanwhile is asked again. Who did what is written
down, by the names of the fields. A secret that was made is shown in the answer, this once.
"""

from collections.abc import Iterator
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from rest_framework.exceptions import ValidationError

from webhooks.admin.source_fields import SourceForm
from webhooks.api.serializers import SourceSerializer
from webhooks.models import Source

MAY_ADD, MAY_CHANGE = "webhooks.add_source", "webhooks.change_source"
CHANGED_MEANWHILE = "Somebody has changed this source meanwhile: look at it again, then change it."


def add_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Ask what the source is to be; make it. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        serializer = _judged(form, SourceSerializer(data=form.given(), context={"request": request}))
        if serializer is not None and _saved(form, serializer, tenant_id=form.cleaned_data["tenant"]):
            return _made(model_admin, request, serializer, given=bool(form.cleaned_data["secret"]))
    return _page(model_admin, request, "source_form", "Add a source", form=form)


def edit_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Ask what is to be otherwise; change that and nothing else. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    seen = source.updated_at.isoformat()
    form = SourceForm(request.POST or None, source=source)
    if request.method == "POST" and form.is_valid():
        wanted = form.given(changed=True)
        serializer = _judged(form, SourceSerializer(source, data=wanted, partial=True, context={"request": request}))
        if serializer is not None and _saved(form, serializer, seen=request.POST.get("seen", "")):
            if wanted:
                model_admin.log_change(request, source, f"changed {', '.join(wanted)}")
            messages.success(request, f"{source} is changed." if wanted else f"{source} is as it was.")
            return redirect("admin:webhooks_source_change", source.pk)
    return _page(model_admin, request, "source_form", f"Edit {source}", form=form, source=source, seen=seen)


def _judged(form: SourceForm, serializer: SourceSerializer) -> SourceSerializer | None:
    """The serializer, if it takes what was given; else its objections stand in the form."""
    if serializer.is_valid():
        return serializer
    _object(form, serializer.errors)
    return None


def _saved(form: SourceForm, serializer: SourceSerializer, *, seen: str | None = None, **values: Any) -> bool:
    """Save what was judged; an existing source only if it still is what was ``seen``."""
    try:
        with transaction.atomic():
            if seen is not None and serializer.instance is not None:
                held = Source.objects.select_for_update().get(pk=serializer.instance.pk)
                if held.updated_at.isoformat() != seen or held.deleted_at is not None:
                    raise ValidationError({"": CHANGED_MEANWHILE})
            if serializer.validated_data or values:
                serializer.save(**values)
    except ValidationError as error:
        _object(form, error.detail)
        return False
    return True


def _object(form: SourceForm, errors: Any) -> None:
    for name, said in errors.items():
        for text in _texts(said):
            form.add_error(name if name in form.fields else None, text)


def _texts(said: Any) -> Iterator[str]:
    """Every sentence in what the serializer objects to."""
    if isinstance(said, dict):
        said = list(said.values())
    if isinstance(said, list):
        for part in said:
            yield from _texts(part)
    else:
        yield str(said)


def _made(model_admin: Any, request: HttpRequest, serializer: SourceSerializer, *, given: bool) -> HttpResponse:
    source = serializer.instance
    assert source is not None  # noqa: S101 - it was just saved
    model_admin.log_addition(request, source, f"added, signed as {source.scheme}")
    shown = {"source": source, "url": serializer.data["url"]}
    secret = "" if given else serializer.validated_data.get("secret")
    return _page(model_admin, request, "source_made", f"{source} is there", **shown, secret=secret)


def _page(model_admin: Any, request: HttpRequest, template: str, title: str, **shown: Any) -> HttpResponse:
    site = model_admin.admin_site.each_context(request)
    context = {**site, "title": title, "opts": Source._meta, "media": model_admin.media, **shown}
    return TemplateResponse(request, f"webhooks/admin/{template}.html", context)
