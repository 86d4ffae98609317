"""Show a request that was sent or would be sent, with the values of headers that may hold credentials masked.

PURE: nothing is sent.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

from delivery.sql.claim import Claimed
from delivery.transports.http.compose import compose
from delivery.transports.transport import NotSent
from subscriptions.routing.targets import DeliveryTarget
from webhooks.outgoing.curl_command import curl_command
from webhooks.wire.header_values import curl_line, read_curl_line
from webhooks.wire.signing.aws_sigv4 import AUTHORIZATION, DATE, PAYLOAD_HASH, AwsCredentials

MASK = "***"
SIGNATURE_PLACEHOLDER = "v1,(signed when it is sent)"
# Headers whose names begin with one of these are shown with their values.
SHOWN_PREFIXES = (
    *("webhook-", "ce-", "content-", "user-agent", "accept", "expect", "traceparent", "tracestate", "host"),
    *(DATE, PAYLOAD_HASH),
)
SIGNED_BY_CURL = (AUTHORIZATION, DATE, PAYLOAD_HASH)  # headers that ``curl --aws-sigv4`` adds


@dataclass(frozen=True, slots=True)
class ShownRequest:
    """Hold a request as it is shown.

    ``lines``: its headers as libcurl takes them, masked. ``aws``: the access key that signs it, if AWS requires that.
    """

    url: str
    lines: tuple[str, ...]
    body: bytes
    signed_at: int
    method: str = "POST"
    aws: AwsCredentials | None = None

    @property
    def headers(self) -> dict[str, str]:
        """The headers as they are sent, those that libcurl adds among them, by name in lower case."""
        return {
            "host": urlsplit(self.url).netloc.rpartition("@")[2],
            **sent_headers(self.lines),
            "content-length": str(len(self.body)),
        }

    @property
    def curl(self) -> str | None:
        """A command for a shell that sends the same bytes. A signature of AWS, valid for minutes, is made by curl."""
        if self.aws is None:
            return curl_command(self.method, self.url, self.lines, self.body)
        options = ["--aws-sigv4", f"aws:amz:{self.aws.region}:{self.aws.service}"]
        options += ["--user", f"{self.aws.access_key_id}:{MASK}"]
        lines = [line for line in self.lines if _is_for_signing_curl(*read_curl_line(line))]
        return curl_command(self.method, self.url, lines, self.body, options)


def shown_request(claimed: Claimed, target: DeliveryTarget, now: float, *, is_signed: bool) -> ShownRequest | NotSent:
    """Compose the request of one attempt at ``now`` (unix seconds), to show it.

    Also for an address that may not be called. Without ``is_signed`` it has a placeholder in place of the signature:
    what a reader of the API cannot send must not be signed for him.
    """
    if target.http is not None:
        member = target.http.body_member and (target.http.body_member[0], MASK)
        http = replace(target.http, admits=_any_address, headers=target.http.headers or (), body_member=member)
        target = replace(target, http=http)
    if not is_signed:
        signer: Any = PlaceholderSigner()
        target = replace(target, signer=signer)
    has_token = target.http is not None and target.http.oauth is not None
    request = compose(claimed, target, now, bearer=MASK if has_token else "")
    if isinstance(request, NotSent):
        return request
    aws = target.http and target.http.aws_signer and target.http.aws_signer.credentials
    return ShownRequest(request.url, tuple(masked_lines(request.headers)), request.body, int(now), aws=aws or None)


def masked_lines(lines: Iterable[str]) -> list[str]:
    """Return header lines with MASK for each value that may hold credentials."""
    masked = []
    for line in lines:
        name, value = read_curl_line(line)
        is_shown = value is None or name.lower().startswith(SHOWN_PREFIXES)
        masked.append(line if is_shown else curl_line(name, MASK))
    return masked


def sent_headers(lines: Iterable[str]) -> dict[str, str]:
    """Return the values of header lines by name in lower case, without those that libcurl leaves out."""
    pairs = [(name.lower(), value) for name, value in map(read_curl_line, lines)]
    return {name: value for name, value in pairs if value is not None}


def masked_headers(lines: Iterable[str]) -> Mapping[str, str]:
    """Return the headers that are sent, by name in lower case, masked."""
    return sent_headers(masked_lines(lines))


class PlaceholderSigner:
    """Stand in for the signer of an endpoint, and return SIGNATURE_PLACEHOLDER for every message."""

    def sign(self, *_message: object) -> str:
        """Return the placeholder."""
        return SIGNATURE_PLACEHOLDER


def _is_for_signing_curl(name: str, value: str | None) -> bool:
    """Return whether a header is given to a curl that signs, which in old versions signs also headers to leave out."""
    return value is not None and name not in SIGNED_BY_CURL


def _any_address(_address: str) -> bool:
    """Admit every address: nothing is sent."""
    return True
