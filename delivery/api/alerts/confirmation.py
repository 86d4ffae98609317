"""Serve the page by which the owner of an e-mail address confirms it for alerts, or stops them."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from delivery.alerts.addresses import PATH, UnknownLink, find_address, set_confirmed


@csrf_exempt  # the link is the credential; there is no session
@require_http_methods(["GET", "HEAD", "POST"])
def confirmation(request: HttpRequest, token: str) -> HttpResponse:
    """Show the address, and on POST confirm it or stop its messages."""
    try:
        address = find_address(token)
    except UnknownLink:
        raise Http404 from None
    if request.method == "POST":
        set_confirmed(address, is_confirmed=request.POST.get("do") == "confirm")
    response = render(request, "delivery/alert_address.html", {"address": address})
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response


confirmation_urlpatterns = [path(f"{PATH}/<str:token>/", confirmation, name="alert-address")]
