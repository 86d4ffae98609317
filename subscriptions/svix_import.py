"""Import endpoints from Svix: what its API lists, with the secrets and headers that it returns for each.

The file is the response of `GET /api/v1/app/{id}/endpoint/`, or a list of such endpoints. Each may have the members
``secret`` (the response of `GET .../endpoint/{id}/secret/`, or its ``key``) and ``headers`` (that of `GET
.../endpoint/{id}/headers/`). With its secret an endpoint goes on verifying as before: both products sign by Standard
Webhooks.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from subscriptions.errors import AlreadyExists, Invalid, LimitExceeded
from subscriptions.models import Endpoint, Tenant
from subscriptions.registration import register_endpoint
from subscriptions.validation import check_event_types

ALL_TYPES = ["*"]
EVERY_SECOND = Endpoint.RatePeriod.SECOND


class Imported(NamedTuple):
    """Describe what became of one endpoint.

    ``outcome``: created, exists or refused. ``notes``: why it was refused, and what Waypost has no place for.
    """

    uid: str
    url: str
    outcome: str
    notes: tuple[str, ...] = ()


def endpoints_in(document: Any) -> list[Mapping[str, Any]]:
    """Return the endpoints of a document. Raises Invalid if it is no list of objects, and no response that has one."""
    found = document.get("data") if isinstance(document, Mapping) else document
    if not isinstance(found, list) or not all(isinstance(it, Mapping) for it in found):
        raise Invalid("file", "Must be a response of Svix that lists endpoints, or a list of endpoints.")
    return found


def import_endpoints(
    tenant: Tenant, endpoints: Sequence[Mapping[str, Any]], *, dry_run: bool = False
) -> Iterator[Imported]:
    """Create an endpoint for each, with the uid or the id that it has there; an import can be repeated.

    Those that exist are left as they are. ``dry_run``: say what would be done, without looking the addresses up.
    """
    for given in endpoints:
        uid, url = str(given.get("uid") or given.get("id") or ""), str(given.get("url") or "")
        notes = tuple(_without_place(given))
        try:
            fields = _fields(given)
            if not uid:
                raise Invalid("id", "Must be set: it becomes the uid.")
            if Endpoint.objects.filter(tenant=tenant, uid=uid, deleted_at=None).exists():
                yield Imported(uid, url, "exists")
                continue
            if not dry_run:
                register_endpoint(tenant, url, uid=uid, **fields)
            yield Imported(uid, url, "created", notes)
        except AlreadyExists:
            yield Imported(uid, url, "exists")
        except (Invalid, LimitExceeded) as error:
            yield Imported(uid, url, "refused", (f"{error.field}: {error}", *notes))


def _fields(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of ``register_endpoint``. Raises Invalid."""
    types = given.get("filterTypes") or ALL_TYPES
    check_event_types(types)
    fields: dict[str, Any] = {"event_types": types, "description": given.get("description") or ""}
    if given.get("metadata"):
        fields["metadata"] = given["metadata"]
    if given.get("rateLimit"):
        fields |= {"rate_limit": given["rateLimit"], "rate_period": EVERY_SECOND}
    if given.get("disabled"):
        fields["state"] = Endpoint.State.PAUSED
    secret, headers = given.get("secret"), given.get("headers")
    if secret:
        fields["secret"] = secret["key"] if isinstance(secret, Mapping) else secret
    if headers:
        fields["headers"] = headers.get("headers", headers)
    return fields


def _without_place(given: Mapping[str, Any]) -> Iterator[str]:
    if given.get("channels"):
        names = ", ".join(map(str, given["channels"]))
        yield f"channels {names} were left out: a pattern on a member of data does this"
    if given.get("transformationEnabled") or given.get("transformation"):
        yield "the transformation was left out: write it as a template or in JSONata"
    if not given.get("secret"):
        yield "a new secret was made: give it to the receiver"
