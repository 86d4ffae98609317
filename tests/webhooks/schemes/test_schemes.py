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
    with pytest.raises(BadOptions, match=f"{name} has no option header; it takes none"):
        schemes.get(name, {"header": "x"})


@pytest.mark.parametrize("name", sorted(schemes.SCHEMES))
def test_each_option_that_is_named_is_one_that_the_scheme_takes(name: str) -> None:
    with pytest.raises(BadOptions) as found:
        schemes.get(name, {"nonsense": "1"})
    named = str(found.value).rpartition(" are ")[2].rstrip(")").split(", ") if schemes.option_names(name) else []
    assert named == schemes.option_names(name)
    with pytest.raises(BadOptions, match=f"{name} has no option nonsense; "):
        schemes.get(name, {**dict.fromkeys(named, "?"), "nonsense": "1"})


def test_misspelt_option_is_named_with_the_one_that_was_meant() -> None:
    with pytest.raises(BadOptions, match='hmac has no option signature-path; did you mean "signature_path"\\?; its'):
        schemes.get("hmac", {"signature-path": "query:s", "header": "x"})
    with pytest.raises(BadOptions, match="must be strings"):
        schemes.get("hmac", {"header": 1})  # type: ignore[dict-item]
