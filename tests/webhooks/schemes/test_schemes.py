"""Check the table of schemes, and the vectors of all schemes."""

import json
from pathlib import Path
from typing import Any

import pytest

from webhooks import schemes
from webhooks.wire.errors import BadOptions, SignatureError, UnknownScheme

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "signatures.json").read_text())["cases"]


def scheme_of(case: dict[str, Any]) -> str:
    return "standard" if case["scheme"].startswith("standard-webhooks") else str(case["scheme"])


@pytest.mark.parametrize("case", VECTORS, ids=lambda case: f"{case['scheme']}: {case['name']}")
@pytest.mark.parametrize("says_type", [False, True])
def test_vectors(case: dict[str, Any], says_type: bool) -> None:
    headers = dict(case["headers"])
    if says_type and "content_type" in case:
        headers["Content-Type"] = case["content_type"]
    valid = True
    try:
        schemes.verify(
            scheme_of(case),
            [case["secret"]],
            headers,
            case["body"].encode(),
            url=case.get("url", ""),
            now=case["now"],
            tolerance=case.get("tolerance", 300),
        )
    except SignatureError:
        valid = False
    assert valid is case["valid"]


@pytest.mark.parametrize("name", ["", "None", "GitHub", "md5"])
def test_get_rejects_an_unknown_scheme(name: str) -> None:
    with pytest.raises(UnknownScheme):
        schemes.verify(name, ["secret"], {}, b"", now=0)


@pytest.mark.parametrize("name", sorted(set(schemes.SCHEMES) - {"none"}))
def test_verify_without_secrets_and_headers_fails_for_every_scheme_but_none(name: str) -> None:
    with pytest.raises(SignatureError):
        schemes.verify(name, [], {}, b"", now=0, url="https://example.com/")


@pytest.mark.parametrize("name", sorted(set(schemes.SCHEMES) - {"hmac", "token", "jwt", "mtls", "public_key"}))
def test_get_rejects_options_of_a_scheme_without_options(name: str) -> None:
    with pytest.raises(BadOptions):
        schemes.get(name, {"header": "x"})
