import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.wire.errors import BadOptions, NoMatchingSignature


class TestBearer(SchemeBattery):
    scheme = "bearer"
    secret, other = "mF_9.B5f-4.1JqM", "other"
    signs_body = False
    signature_headers = ("Authorization",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"Authorization": f"Bearer {secret}"}, body)

    def test_verify_accepts_the_word_bearer_in_any_case(self) -> None:
        self.verify(Message({"authorization": f"bearer {self.secret}"}), self.secret)

    @pytest.mark.parametrize("value", ["Bearer", "Bearer ", "mF_9.B5f-4.1JqM", "Token mF_9.B5f-4.1JqM", "Bearer é"])
    def test_verify_rejects_other_authorization(self, value: str) -> None:
        self.rejects(Message({"Authorization": value}))


class TestToken(SchemeBattery):
    scheme = "token"
    signs_body = False
    signature_headers = ("X-Api-Key",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"X-Api-Key": secret}, body)

    def test_verify_reads_the_header_of_the_option(self) -> None:
        schemes.verify("token", ["s"], {"x-other": "s"}, BODY, now=NOW, options={"header": "X-Other"})
        with pytest.raises(BadOptions):
            schemes.get("token", {"header": " "})


class TestGitLab(SchemeBattery):
    scheme = "gitlab"
    signs_body = False
    signature_headers = ("X-Gitlab-Token",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        return Message({"X-Gitlab-Token": secret, "Idempotency-Key": "13792a34"}, body)

    def test_message_id_and_event_type_are_read_from_the_headers(self) -> None:
        headers = {"X-Gitlab-Webhook-UUID": "w", "Idempotency-Key": "13792a34", "X-Gitlab-Event": "Push Hook"}
        assert schemes.get("gitlab").message_id(headers) == "13792a34"
        assert schemes.get("gitlab").event_type(headers) == "Push Hook"

    def test_message_id_is_no_header_that_other_webhooks_of_the_event_share(self) -> None:
        shared = {"X-Gitlab-Event-UUID": "13792a34"}
        assert schemes.get("gitlab").message_id(shared) is None
        assert schemes.get("gitlab").message_id({**shared, "X-Gitlab-Webhook-UUID": "w"}) == "w"


@pytest.mark.parametrize(
    ("path", "body", "url"),
    [
        ("query:token", b"", "https://example.com/?token=word"),
        ("body:/passcode", b'{"passcode":"word"}', "https://example.com/"),
        ("form:token", b"token=word", "https://example.com/"),
        ("body:/value/*/state", b'{"value":[{"state":"word"},{"state":"word"}]}', "https://example.com/"),
    ],
)
def test_secret_is_found_elsewhere_by_its_path(path: str, body: bytes, url: str) -> None:
    options = {"path": path}
    schemes.verify("token", ["word"], {}, body, url=url, now=NOW, options=options)
    for changed in (body.replace(b"word", b"other", 1), body.replace(b"word", b"word2"), b"{}"):
        other = url.replace("word", "other")
        with pytest.raises(NoMatchingSignature):
            schemes.verify("token", ["word"], {}, changed, url=other, now=NOW, options=options)


@pytest.mark.parametrize("path", ["there", "header:x", "body:x"])
def test_path_that_is_none_is_rejected(path: str) -> None:
    with pytest.raises(BadOptions):
        schemes.get("token", {"path": path})
