"""Create and change sources with the form of ``source_form`` and the validation of the REST API's serializer.

Validation may look up host names, so no transaction is open during it; Django's own form pages would open one. A form
that was loaded before the last change is not saved. Changes are logged by the names of their fields. A generated secret
is shown once, in the response.
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

from webhooks.admin.read_source_form import ReadSourceForm
from webhooks.admin.source_form import SourceForm
from webhooks.api.serializers.source_reading import MAX_SHOWN_BODY
from webhooks.api.serializers.sources import SourceSerializer
from webhooks.kit.tenancy import UnknownTenant
from webhooks.models import Source
from webhooks.outgoing.errors import LimitReached
from webhooks.sources.kinds.kind import Sample
from webhooks.sources.kinds.registry import HTTP, KindEntry, list_kinds

AnyForm = SourceForm | ReadSourceForm
MAY_ADD, MAY_CHANGE = "webhooks.add_source", "webhooks.change_source"
CHANGED_MEANWHILE = "Changed by another user since this form was loaded. Reload the page, then change it again."


def add_page(model_admin: Any, request: HttpRequest) -> HttpResponse:
    """Show the form; on POST create the source. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_ADD):
        raise PermissionDenied
    if "kinds" in request.GET:
        return _page(model_admin, request, "source_kinds", "Add source", kinds=list_kinds())
    if (kind := _kind(request.GET.get("kind", HTTP))) is not None:
        return _add_read_source(model_admin, request, kind)
    form = SourceForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        tenant_id = form.cleaned_data["tenant"]
        serializer = SourceSerializer(data=form.as_api_data(), context={"request": request, "tenant_id": tenant_id})
        if _validate(form, serializer) and _save(form, serializer, tenant_id=tenant_id):
            is_generated = not form.cleaned_data["secret"]
            return _created(model_admin, request, serializer, is_generated=is_generated)
    return _page(model_admin, request, "source_form", "Add source", form=form)


def edit_page(model_admin: Any, request: HttpRequest, pk: Any) -> HttpResponse:
    """Show the form; on POST save the fields that changed. Raises PermissionDenied."""
    if not request.user.has_perm(MAY_CHANGE):
        raise PermissionDenied
    source = get_object_or_404(Source, pk=pk, deleted_at=None)
    version = source.updated_at.isoformat()
    if (kind := _kind(source.kind)) is not None:
        return _edit_read_source(model_admin, request, kind, source, version)
    form = SourceForm(request.POST or None, source=source)
    if request.method == "POST" and form.is_valid():
        changes = form.as_api_data(changed_only=True)
        serializer = SourceSerializer(source, data=changes, partial=True, context={"request": request})
        if _validate(form, serializer) and _save(form, serializer, version=request.POST.get("version", "")):
            if changes:
                model_admin.log_change(request, source, f"changed {', '.join(changes)}")
            messages.success(request, "Source changed" if changes else "No changes")
            return redirect("admin:webhooks_source_change", source.pk)
    return _page(model_admin, request, "source_form", f"Edit {source}", form=form, source=source, version=version)


def _kind(name: str) -> KindEntry | None:
    """Return a kind that is read; None for ``http`` and unknown names."""
    return next((it for it in list_kinds() if it.name == name and name != HTTP), None)


def _add_read_source(model_admin: Any, request: HttpRequest, kind: KindEntry) -> HttpResponse:
    form = ReadSourceForm(request.POST or None, kind=kind)
    sample: Sample | None = None
    if request.method == "POST" and form.is_valid():
        tenant_id, is_test = form.cleaned_data["tenant"], "test" in request.POST
        context = {"request": request, "tenant_id": tenant_id, "always_test": is_test}
        serializer = SourceSerializer(data=form.as_api_data(), context=context)
        if _validate(form, serializer):
            sample = serializer.sample
            if not is_test and _save(form, serializer, tenant_id=tenant_id):
                return _created(model_admin, request, serializer, is_generated=False)
    return _read_page(model_admin, request, f"Add source: {kind.label}", form, sample)


def _edit_read_source(
    model_admin: Any, request: HttpRequest, kind: KindEntry, source: Source, version: str
) -> HttpResponse:
    form = ReadSourceForm(request.POST or None, kind=kind, source=source)
    sample: Sample | None = None
    if request.method == "POST" and form.is_valid():
        changes, is_test = form.as_api_data(changed_only=True), "test" in request.POST
        context = {"request": request, "always_test": is_test}
        serializer = SourceSerializer(source, data=changes, partial=True, context=context)
        if _validate(form, serializer):
            sample = serializer.sample
            if not is_test and _save(form, serializer, version=request.POST.get("version", "")):
                if changes:
                    model_admin.log_change(request, source, f"changed {', '.join(changes)}")
                messages.success(request, "Source changed" if changes else "No changes")
                return redirect("admin:webhooks_source_change", source.pk)
    return _read_page(model_admin, request, f"Edit {source}", form, sample, source=source, version=version)


def _read_page(
    model_admin: Any, request: HttpRequest, title: str, form: ReadSourceForm, sample: Sample | None, **values: Any
) -> HttpResponse:
    record = sample.record if sample else None
    body = record.body[:MAX_SHOWN_BODY].decode("utf-8", "replace") if record else ""
    return _page(model_admin, request, "source_form", title, form=form, sample=sample, sample_body=body, **values)


def _validate(form: AnyForm, serializer: SourceSerializer) -> bool:
    try:
        if serializer.is_valid():
            return True
    except LimitReached as error:
        form.add_error(None, str(error))
        return False
    _add_errors(form, serializer.errors)
    return False


def _save(form: AnyForm, serializer: SourceSerializer, *, version: str | None = None, **values: Any) -> bool:
    """Save what was validated; an existing source only if it still has this version."""
    try:
        with transaction.atomic():
            if version is not None and serializer.instance is not None:
                current = Source.objects.select_for_update().get(pk=serializer.instance.pk)
                if current.updated_at.isoformat() != version or current.deleted_at is not None:
                    raise ValidationError({"": CHANGED_MEANWHILE})
            if serializer.validated_data or values:
                serializer.save(**values)
    except ValidationError as error:
        _add_errors(form, error.detail)
        return False
    except UnknownTenant:
        form.add_error("tenant", "There is no tenant with this ID.")
        return False
    except ValueError as error:  # a limit of the tenant
        form.add_error("tenant", str(error))
        return False
    return True


def _add_errors(form: AnyForm, errors: Any) -> None:
    if isinstance(form, ReadSourceForm):
        form.add_api_errors(errors)
        return
    for name, detail in errors.items():
        for message in _messages(detail):
            form.add_error(name if name in form.fields else None, message)


def _messages(detail: Any) -> Iterator[str]:
    """Yield every message of a serializer's error, which may be nested."""
    if isinstance(detail, dict):
        detail = list(detail.values())
    if isinstance(detail, list):
        for part in detail:
            yield from _messages(part)
    else:
        yield str(detail)


def _created(
    model_admin: Any, request: HttpRequest, serializer: SourceSerializer, *, is_generated: bool
) -> HttpResponse:
    source = serializer.instance
    assert source is not None  # noqa: S101 - it was just saved
    model_admin.log_addition(request, source, f"added, scheme {source.scheme}")
    context = {"source": source, "url": serializer.data["url"]}
    secret = serializer.validated_data.get("secret") if is_generated else ""
    return _page(model_admin, request, "source_created", "Source created", **context, secret=secret)


def _page(model_admin: Any, request: HttpRequest, template: str, title: str, **values: Any) -> HttpResponse:
    site = model_admin.admin_site.each_context(request)
    context = {**site, "title": title, "opts": Source._meta, "media": model_admin.media, **values}
    context["original"] = values.get("source")
    return TemplateResponse(request, f"webhooks/admin/{template}.html", context)
