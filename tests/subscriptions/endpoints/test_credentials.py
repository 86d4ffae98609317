"""What an endpoint may want to know us by, and what becomes a header of it."""

import pytest

from subscriptions.endpoints.credentials import auth_header, check_auth, client_credentials, public_auth
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


@pytest.mark.parametrize(
    ("auth", "header"),
    [
        ({"type": "none"}, {}),
        (BASIC, {"authorization": "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="}),  # RFC 7617, section 2
        ({**BASIC, "username": "test", "password": "123£"}, {"authorization": "Basic dGVzdDoxMjPCow=="}),  # 2.1
        (BEARER, {"authorization": "Bearer hunter2"}),
        (HEADER, {"x-api-key": "hunter2"}),
        (OAUTH2, {}),
    ],
)
def test_what_is_sent(auth, header):
    check_auth(auth)
    assert auth_header(auth) == header


@pytest.mark.parametrize("auth", [BASIC, BEARER, HEADER, OAUTH2])
def test_what_is_shown_is_everything_but_the_secret(auth):
    shown = public_auth(auth)
    assert shown["type"] == auth["type"]
    assert not {"hunter2", "open sesame"} & set(shown.values())
    assert "hunter2" not in repr(client_credentials(auth))


@pytest.mark.parametrize(
    ("auth", "says"),
    [
        (None, "Give an object"),
        ("basic", "Give an object"),
        ({}, "Give an object"),
        ({"type": "digest"}, "Give an object"),
        ({"type": ["basic"]}, "Give an object"),
        ({"type": "basic"}, "basic needs password, username"),
        ({"type": "none", "token": "x"}, "none has no 'token'"),
        ({**BEARER, "name": "x"}, "bearer has no 'name'"),
        ({**BASIC, "username": "a:b"}, "username: a colon"),
        ({**BASIC, "username": "a\nb"}, "username: give"),
        ({**BASIC, "password": "x" * 2_045}, "username and password"),
        ({**BASIC, "password": 5}, "password: give"),
        ({**BASIC, "password": "\ud800"}, "password: give"),
        ({**BEARER, "token": ""}, "token: give"),
        ({**BEARER, "token": "a b"}, "token: give"),
        ({**BEARER, "token": "x" * 2_049}, "token: give"),
        ({**HEADER, "name": "host"}, "is reserved"),
        ({**HEADER, "name": "webhook-signature"}, "is reserved"),
        ({**HEADER, "name": "a b"}, "the name must"),
        ({**HEADER, "value": "é"}, "the value must"),
        ({**OAUTH2, "client_auth": "jwt"}, "client_auth: give"),
        ({**OAUTH2, "scope": "a  b"}, "scope: give"),
        ({**OAUTH2, "token_url": "ftp://example.com"}, "token_url: "),
        ({**OAUTH2, "token_url": "https://10.0.0.7/token"}, "token_url: This address may not be called"),
        ({**OAUTH2, "token_url": "https://inside.example.com/token"}, "token_url: This address may not be called"),
    ],
)
def test_what_could_not_be_used_is_refused(auth, says):
    with pytest.raises(Invalid, match=says) as refusal:
        check_auth(auth)
    assert refusal.value.field == "auth"
    assert "hunter2" not in str(refusal.value)
