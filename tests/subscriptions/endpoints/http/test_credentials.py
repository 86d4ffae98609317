"""The ``auth`` of an endpoint: which values are accepted, and the header they become."""

from uuid import UUID

import pytest

from subscriptions.endpoints.http.credentials import (
    auth_header,
    aws_credentials,
    check_auth,
    checked_auth,
    client_credentials,
    public_auth,
)
from subscriptions.errors import Invalid

BASIC = {"type": "basic", "username": "Aladdin", "password": "open sesame"}
BEARER = {"type": "bearer", "token": "hunter2"}
HEADER = {"type": "header", "name": "X-Api-Key", "value": "hunter2"}
OAUTH2 = {
    "type": "oauth2",
    "token_url": "https://example.com/token",
    "client_id": "waypost",
    "client_secret": "hunter2",
    "scope": "hooks:write hooks:read",
}

AWS_SIGV4 = {
    "type": "aws_sigv4",
    "access_key_id": "AKIAIOSFODNN7EXAMPLE",
    "secret_access_key": "hunter2",
    "session_token": "hunter2",
    "region": "eu-central-1",
}


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"type": "none"}, {}),
        (BASIC, {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}),  # RFC 7617, section 2
        ({**BASIC, "username": "test", "password": "123£"}, {"authorization": "Basic dGVzdDoxMjPCow=="}),  # 2.1
        (BEARER, {"authorization": "Bearer hunter2"}),
        (HEADER, {"x-api-key": "hunter2"}),
        (OAUTH2, {}),
        (AWS_SIGV4, {}),
    ],
)
def test_auth_header_is_what_the_standard_says(auth, header):
    check_auth(auth)
    assert auth_header(auth) == header


@pytest.mark.parametrize("auth", [BASIC, BEARER, HEADER, OAUTH2, AWS_SIGV4])
def test_public_auth_omits_secrets(auth):
    shown = public_auth(auth)
    assert shown["type"] == auth["type"]
    assert not {"hunter2", "open sesame"} & set(shown.values())
    assert "hunter2" not in repr((client_credentials(auth), aws_credentials(auth)))


@pytest.mark.parametrize(
    ("auth", "message"),
    [
        (None, "Must be an object"),
        ("basic", "Must be an object"),
        ({}, "Must be an object"),
        ({"type": "digest"}, "Must be an object"),
        ({"type": ["basic"]}, "Must be an object"),
        ({"type": "basic"}, "basic requires password, username"),
        ({"type": "none", "token": "x"}, "none has no field 'token'"),
        ({**BEARER, "name": "x"}, "bearer has no field 'name'"),
        ({**BASIC, "username": "a:b"}, "username: must not contain a colon"),
        ({**BASIC, "username": "a\nb"}, "username: must"),
        ({**BASIC, "password": "x" * 2_045}, "username and password"),
        ({**BASIC, "password": 5}, "password: must"),
        ({**BASIC, "password": "\ud800"}, "password: must"),
        ({**BEARER, "token": ""}, "token: must"),
        ({**BEARER, "token": "a b"}, "token: must"),
        ({**BEARER, "token": "x" * 2_049}, "token: must"),
        ({**HEADER, "name": "host"}, "is reserved"),
        ({**HEADER, "name": "webhook-signature"}, "is reserved"),
        ({**HEADER, "name": "a b"}, "the name must"),
        ({**HEADER, "value": "é"}, "must be percent-encoded"),
        ({**OAUTH2, "client_auth": "jwt"}, "client_auth: must"),
        ({**OAUTH2, "scope": "a  b"}, "scope: must"),
        ({"type": "aws_sigv4"}, "aws_sigv4 requires access_key_id, region, secret_access_key"),
        ({**AWS_SIGV4, "profile": "x"}, "aws_sigv4 has no field 'profile'"),
        ({**AWS_SIGV4, "access_key_id": "AKIA/1"}, "access_key_id: must"),
        ({**AWS_SIGV4, "secret_access_key": "a b"}, "secret_access_key: must"),
        ({**AWS_SIGV4, "session_token": "é"}, "session_token: must"),
        ({**AWS_SIGV4, "session_token": "x" * 4_097}, "session_token: must be a string of 1 to 4096"),
        ({**AWS_SIGV4, "region": "Frankfurt"}, "region: must"),
        ({**AWS_SIGV4, "service": "lambda/aws4_request"}, "service: must"),
    ],
)
def test_unusable_value_is_rejected(auth, message):
    with pytest.raises(Invalid, match=message) as error:
        check_auth(auth)
    assert error.value.field == "auth"
    assert "hunter2" not in str(error.value)


def test_service_of_aws_is_lambda_by_default():
    credentials = aws_credentials(AWS_SIGV4)
    assert (credentials.service, aws_credentials(BEARER)) == ("lambda", None)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://example.com", "token_url: "),
        ("https://10.0.0.7/token", "token_url: This address may not be called"),
        ("https://inside.example.com/token", "token_url: This address may not be called"),
        ("https://us.example/token", "token_url: Must not be Waypost's own address"),
    ],
)
def test_token_url_that_may_not_be_called_is_rejected(url, message, settings):
    settings.PUBLIC_URL, settings.WAYPOST_ALLOW_SELF = "https://us.example", False
    auth = {**OAUTH2, "token_url": url}
    check_auth(auth)
    with pytest.raises(Invalid, match=message) as error:
        checked_auth(auth, UUID(int=1))
    assert error.value.field == "auth"
