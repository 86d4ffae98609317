"""Test which headers of a message are stored, and what of them."""

import pytest

from webhooks.kit.bodies.stored_headers import redact_credentials


@pytest.mark.parametrize(
    "name", ["authorization", "proxy-authorization", "cookie", "x-gitlab-token", "x-api-key", "client-secret"]
)
def test_redact_credentials_removes_headers_that_authenticate(name: str) -> None:
    assert redact_credentials({name: "x"}) == {name: "[removed]"}


def test_redact_credentials_bounds_the_size_of_headers() -> None:
    redacted = redact_credentials({f"x-{number}": "v" * 10_000 for number in range(1000)})
    assert sum(len(name) + len(value) for name, value in redacted.items()) <= 16 * 1024
