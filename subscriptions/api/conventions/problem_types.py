"""List the kinds of problems (RFC 9457) that responses of the platform name, each with its cause and its remedy.

A problem names its kind twice: ``code`` is the same on every platform, ``type`` is the URL of a page of this platform
(``config.api.problem_pages``). Each error of the API has one of these codes as its ``default_code``.
"""

from http import HTTPStatus
from typing import Any, NamedTuple

from django.conf import settings


class ProblemType(NamedTuple):
    """A kind of problem. ``cause`` and ``remedy`` are sentences for the developer of a client, in Markdown."""

    title: str
    statuses: tuple[int, ...]
    cause: str
    remedy: str


PROBLEM_TYPES = {
    "invalid": ProblemType(
        "Invalid request",
        (400,),
        "A field of the body, a parameter of the query, or a header has a value that is not allowed, or is unknown.",
        "Each entry of `errors` names a field, says what to give instead, and has a `code` for programs. Correct all "
        "of them at once; the same request fails again.",
    ),
    "parse_error": ProblemType(
        "Unreadable request",
        (400,),
        "The body is no JSON, was cut short, is nested too deeply, or no event of a batch was accepted.",
        "Correct the body as `detail` says. JSON has neither NaN nor comments, and is encoded as UTF-8.",
    ),
    "malformed_request": ProblemType(
        "Malformed request",
        (400,),
        "The request is no valid HTTP/1.1, or one that proxies read differently: no `Host` header or several, two "
        "lengths, a `Transfer-Encoding` in HTTP/1.0. `detail` says which.",
        "Send the request with a library for HTTP. The connection is closed.",
    ),
    "not_authenticated": ProblemType(
        "No API key",
        (401,),
        "The request has no header `Authorization` with an API key.",
        "Send `Authorization: Bearer wp_...`. Keys in the query or the body are not read.",
    ),
    "authentication_failed": ProblemType(
        "Invalid API key",
        (401,),
        "The key is unknown, revoked, expired (`detail` says since when), or of a tenant that was deleted.",
        "Check that the whole key was copied, and that it belongs to this platform. Otherwise create another key at "
        "`POST /keys/`.",
    ),
    "plan_exceeded": ProblemType(
        "Limit of the plan reached",
        (402,),
        "The tenant has used all that its plan allows of `limit`: `used` of `allowed`.",
        "Wait until `resets_at`, delete what is not needed, or ask the operator of the platform for a larger plan.",
    ),
    "permission_denied": ProblemType(
        "Not allowed",
        (403,),
        "The API key is valid, but may not do this; `detail` says why.",
        "Use a key that may. A key can hand out only scopes that it has itself.",
    ),
    "insufficient_scope": ProblemType(
        "Missing scope",
        (403,),
        "The API key lacks the scope that the operation needs, which `scope` names. Scopes do not include each other: "
        "`manage` changes, and does not read.",
        "Use a key that has the scope, or create one with it at `POST /keys/`.",
    ),
    "insufficient_role": ProblemType(
        "Role too small",
        (403,),
        "The API key has a role, `role`, that does not include the permission which the operation needs, `permission`.",
        "Use a key of a role that includes it, or one without a role. What each role may do is in *Decide who may use "
        "the admin*.",
    ),
    "platform_key_required": ProblemType(
        "Platform key required",
        (403,),
        "The operation concerns the platform, or several tenants; the API key belongs to one tenant.",
        "Use a platform key. Operators make them with `manage.py platform_key`.",
    ),
    "endpoint_key_refused": ProblemType(
        "Key of one endpoint",
        (403,),
        "The API key is limited to one endpoint, and the operation does not belong to an endpoint.",
        "Use a key of the tenant.",
    ),
    "sender_refused": ProblemType(
        "Sender not allowed",
        (403,),
        "A message for a source came from an address outside of the source's `allowed_networks`, or was no valid part "
        "of its handshake.",
        "The owner of the source finds the reason among its rejections.",
    ),
    "not_found": ProblemType(
        "Not found",
        (404,),
        "Nothing has this id or `uid`, or it belongs to another tenant, which the response does not reveal.",
        "Check the id and the tenant of the API key. With a platform key, name the tenant in `Waypost-Tenant`.",
    ),
    "unknown_tenant": ProblemType(
        "Unknown tenant",
        (404,),
        "A request with a platform key, or an event in it, names a tenant that does not exist.",
        "Create it with `PUT /tenants/UID/`, or correct the name. With `WAYPOST_CREATE_TENANTS` publishing creates it.",
    ),
    "method_not_allowed": ProblemType(
        "Method not allowed",
        (405,),
        "The path exists, but not for this method.",
        "The header `Allow` lists the methods of the path.",
    ),
    "not_acceptable": ProblemType(
        "Media type not available",
        (406,),
        "The response cannot have any of the media types in `Accept`.",
        "Leave `Accept` out, or accept `application/json`.",
    ),
    "too_slow": ProblemType(
        "Request too slow",
        (408,),
        "The headers or the body arrived too slowly, or stopped.",
        "Send the request again, from a connection that carries it.",
    ),
    "conflict": ProblemType(
        "Conflict",
        (409,),
        "The request is valid, but another object has the value, the object is in a state that excludes the change, "
        "or an event was published before with the same source and id and other content.",
        "`errors` names the field and the other object. With `Retry-After` the first request with the same "
        "`Idempotency-Key` is in progress: send the request again after it.",
    ),
    "gone": ProblemType(
        "No longer kept",
        (410,),
        "The link has expired, or the source was deleted.",
        "Do not send the request again.",
    ),
    "length_required": ProblemType(
        "Length required",
        (411,),
        "The body is sent in chunks, and the server cannot tell whether it arrived as a whole.",
        "Send a `Content-Length`.",
    ),
    "stale": ProblemType(
        "Changed meanwhile",
        (412,),
        "The `ETag` of the object is not that of `If-Match`: it was changed since it was fetched.",
        "Fetch it again, apply the change to what it is now, and send that with the new `ETag`.",
    ),
    "too_large": ProblemType(
        "Too large",
        (413,),
        "The body, or one event in it, is larger than `detail` allows.",
        "Send less at once: a smaller batch, or a link to large data in place of the data.",
    ),
    "uri_too_long": ProblemType(
        "URI too long",
        (414,),
        "The path and the query of the request are longer than the web server reads.",
        "Shorten the query: fewer filters, or shorter ones. What is long belongs into a body.",
    ),
    "unsupported_media_type": ProblemType(
        "Media type not supported",
        (415,),
        "The body has a `Content-Type` that the path does not accept, or is compressed.",
        "Send `Content-Type: application/json`, uncompressed. Events may also be CloudEvents.",
    ),
    "idempotency_key_reused": ProblemType(
        "Idempotency-Key used before",
        (422,),
        "The `Idempotency-Key` was used for a request with another body, query or path.",
        "Use a new key for a new request, and the same key only to repeat a request as it was.",
    ),
    "headers_too_large": ProblemType(
        "Headers too large",
        (431,),
        "The request has more headers than the web server reads, or longer ones.",
        "Send fewer headers. Large cookies and tokens that proxies add count, too.",
    ),
    "rate_limited": ProblemType(
        "Too many requests",
        (429,),
        "More came at once than the limit that `limit` names allows: the publish rate of the plan, the rate of a "
        "source, or the calls in progress.",
        "Wait for the seconds in `Retry-After`, and then send the request again. Publish in batches.",
    ),
    "throttled": ProblemType(
        "Too many requests",
        (429,),
        "More came at once than is allowed.",
        "Wait for the seconds in `Retry-After`, and then send the request again.",
    ),
    "too_many_expensive_requests": ProblemType(
        "Too many expensive requests",
        (429,),
        "The tenant has as many previews, exports, explanations, dry runs or imports in progress as it may have.",
        "Send the next one when an earlier one has ended, or after the seconds in `Retry-After`.",
    ),
    "error": ProblemType(
        "Internal error",
        (500,),
        "The platform failed. Nothing of the request was written.",
        "Send the request again later. Report it with the `Waypost-Request-Id` of the response, by which the operator "
        "finds it in the log.",
    ),
    "transfer_coding_unsupported": ProblemType(
        "Transfer coding not supported",
        (501,),
        "The `Transfer-Encoding` of the request is another one than `chunked`.",
        "Send the body in chunks only, or with a `Content-Length`. Compression is a `Content-Encoding`.",
    ),
    "unavailable": ProblemType(
        "Unavailable",
        (503,),
        "The database, the storage of large bodies, or the key server of a sender does not respond; no process that "
        "evaluates JSONata expressions is free; or a source is paused. Nothing was written.",
        "Send the request again after the seconds in `Retry-After`. An event that keeps its id is accepted once.",
    ),
    "statement_timeout": ProblemType(
        "Takes too long",
        (503,),
        "A statement of the database took longer than `WAYPOST_STATEMENT_SECONDS` and was cancelled.",
        "Narrow the request by a filter or a shorter time, or send it again.",
    ),
    "too_many_requests_in_progress": ProblemType(
        "Too many requests in progress",
        (503,),
        "Too many requests of this tenant or address, or of all, are in progress.",
        "Send the request again after the seconds in `Retry-After`, and fewer at a time.",
    ),
    "too_many_connections": ProblemType(
        "Too many connections",
        (503,),
        "Too many connections of this address, or of all, are open at this web server.",
        "Use connections again, instead of opening one for each request. Connect again after the seconds in "
        "`Retry-After`.",
    ),
    "message_incomplete": ProblemType(
        "Incomplete message",
        (400,),
        "The body of a message for a source was cut short, or its length is none.",
        "Send the message again.",
    ),
    "signature_invalid": ProblemType(
        "Signature not valid",
        (401,),
        "A message for a source has no valid signature. The response says no more, since its sender is unknown.",
        "The owner of the source finds the reason among its rejections. Correct the secret, and send the message "
        "again.",
    ),
}


def problem_type_url(code: str) -> str:
    """Return the URL that names a kind of problem, and where its page is."""
    return f"{settings.WAYPOST_PROBLEM_TYPES}{code}/"


def problem_members(code: str, status: int) -> dict[str, Any]:
    """Return the first members of a problem (RFC 9457, section 3.1)."""
    kind, title = "about:blank", HTTPStatus(status).phrase  # of an app that WAYPOST_APPS adds (section 4.2.1)
    if code in PROBLEM_TYPES:
        kind, title = problem_type_url(code), PROBLEM_TYPES[code].title
    return {"type": kind, "title": title, "status": int(status), "code": code}
