"""Define the URLs that senders post to: ``path("", include("webhooks.inbound_urls"))`` in any Django project."""

from django.urls import re_path

from webhooks.receiving.inbound_view import inbound

# The name is a source's id. Others match too, so that all that do not exist get the same response.
# With or without the last slash: a redirected POST loses its body.
_SOURCE = "^in/(?P<source>[A-Za-z0-9._-]{1,256})"
urlpatterns = [re_path(f"{_SOURCE}/$", inbound, name="inbound"), re_path(f"{_SOURCE}$", inbound)]
