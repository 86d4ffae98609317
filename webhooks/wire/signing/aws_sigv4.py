"""Sign HTTP requests with AWS Signature Version 4 (AWS IAM User Guide, "Create a signed AWS API request").

The server recomputes the signature from the request that it received, so everything here follows the bytes that are
sent: the path is encoded once more and normalized, except for S3; names and values of the query are decoded and encoded
in one way, then sorted; spaces in header values are collapsed. The signature is valid for about five minutes around
``x-amz-date``.
"""

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote, unquote_to_bytes, urlsplit

ALGORITHM = "AWS4-HMAC-SHA256"
DATE, PAYLOAD_HASH, SESSION_TOKEN = "x-amz-date", "x-amz-content-sha256", "x-amz-security-token"  # names of headers
AUTHORIZATION = "authorization"
S3 = "s3"
DEFAULT_PORTS = {"https": ":443", "http": ":80"}
UNRESERVED = "-_.~"


@dataclass(frozen=True, slots=True)
class AwsCredentials:
    """Hold an access key, and the scope of its signatures. ``session_token``: that of temporary credentials."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    region: str
    service: str = "lambda"
    session_token: str = field(default="", repr=False)


class AwsSigner:
    """Sign requests to one URL with one access key."""

    def __init__(self, credentials: AwsCredentials, url: str) -> None:
        """``url``: as it is sent, percent-encoded."""
        self.credentials = credentials
        parts = urlsplit(url)
        self._host = parts.netloc.removesuffix(DEFAULT_PORTS.get(parts.scheme, ":443"))
        self._path = canonical_path(parts.path, is_s3=credentials.service == S3)
        self._query = canonical_query(parts.query)
        self._key = ("", b"")  # of a day

    def sign(
        self, headers: Mapping[str, str], body: bytes, now: float, method: str = "POST", path: str = ""
    ) -> dict[str, str]:
        """Return the headers to add to a request at ``now`` (unix seconds), ``authorization`` among them.

        ``headers``: those to sign besides the host and the added ones, by name in lower case. ``path``: instead of that
        of the URL, percent-encoded.
        """
        stamp = datetime.fromtimestamp(now, UTC).strftime("%Y%m%dT%H%M%SZ")
        digest = sha256(body).hexdigest()
        added = {DATE: stamp}
        if self.credentials.session_token:
            added[SESSION_TOKEN] = self.credentials.session_token
        if self.credentials.service == S3:
            added[PAYLOAD_HASH] = digest
        signed = {**headers, "host": self._host, **added}
        names = ";".join(sorted(signed))
        lines = "".join(f"{name}:{' '.join(signed[name].split())}\n" for name in sorted(signed))
        canonical = canonical_path(path, is_s3=self.credentials.service == S3) if path else self._path
        request = "\n".join((method, canonical, self._query, lines, names, digest))
        scope = f"{stamp[:8]}/{self.credentials.region}/{self.credentials.service}/aws4_request"
        text = f"{ALGORITHM}\n{stamp}\n{scope}\n{sha256(request.encode()).hexdigest()}"
        signature = _hmac(self._key_of(stamp[:8]), text).hex()
        credential = f"{self.credentials.access_key_id}/{scope}"
        added[AUTHORIZATION] = f"{ALGORITHM} Credential={credential}, SignedHeaders={names}, Signature={signature}"
        return added

    def _key_of(self, day: str) -> bytes:
        """Return the signing key of a day, in UTC."""
        known, key = self._key
        if known != day:
            key = f"AWS4{self.credentials.secret_access_key}".encode()
            for part in (day, self.credentials.region, self.credentials.service, "aws4_request"):
                key = _hmac(key, part)
            self._key = (day, key)
        return key


def canonical_path(path: str, *, is_s3: bool) -> str:
    """Return the path to sign for one that is percent-encoded."""
    if is_s3:
        return "/".join(map(_encoded, path.split("/"))) or "/"
    kept: list[str] = []
    for segment in path.split("/"):
        if segment == "..":
            del kept[-1:]
        elif segment not in ("", "."):
            kept.append(segment)
    is_folder = bool(kept) and path.rpartition("/")[2] in ("", ".", "..")
    return quote("/" + "/".join(kept) + ("/" if is_folder else ""), safe="/" + UNRESERVED)


def canonical_query(query: str) -> str:
    """Return the query to sign for one that is percent-encoded."""
    pairs = (part.partition("=") for part in query.split("&") if part)
    return "&".join(f"{name}={value}" for name, value in sorted((_encoded(it[0]), _encoded(it[2])) for it in pairs))


def _encoded(text: str) -> str:
    return quote(unquote_to_bytes(text), safe=UNRESERVED)


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.digest(key, text.encode(), "sha256")
