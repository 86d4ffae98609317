"""Verify requests that are signed for AWS as AWS does it, with the signer of botocore."""

import hmac
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials


class _AsGiven:
    """Use all headers of a request, also those that botocore would not sign itself."""

    def headers_to_sign(self, request: AWSRequest) -> Any:
        return request.headers


class _Signer(_AsGiven, SigV4Auth):
    pass


class _S3Signer(_AsGiven, S3SigV4Auth):
    pass


def is_signed_for_aws(
    secret_access_key: str, path: str, headers: Mapping[str, str], body: bytes, method: str = "POST"
) -> bool:
    """Return whether the signature is the one of this request; ``path`` with the query, as it arrived."""
    headers = {name.lower(): value for name, value in headers.items()}
    algorithm, _, parameters = headers["authorization"].partition(" ")
    given = dict(part.split("=", 1) for part in parameters.split(", "))
    key_id, day, region, service, end = given["Credential"].split("/")
    names = given["SignedHeaders"].split(";")
    assert (algorithm, end, day) == ("AWS4-HMAC-SHA256", "aws4_request", headers["x-amz-date"][:8])
    assert {"host", *(name for name in headers if name.startswith(("x-amz-", "content-type")))} <= {*names}
    if headers.get("x-amz-content-sha256", digest := sha256(body).hexdigest()) != digest:
        return False
    signer = (_S3Signer if service == "s3" else _Signer)(Credentials(key_id, secret_access_key), service, region)
    url = f"https://{headers['host']}{path}"
    request = AWSRequest(method, url, headers={name: headers[name] for name in names}, data=body)
    request.context["timestamp"] = headers["x-amz-date"]
    text = signer.string_to_sign(request, signer.canonical_request(request))
    return hmac.compare_digest(signer.signature(text, request), given["Signature"])
