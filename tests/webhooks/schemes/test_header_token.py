import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes
from webhooks.wire.errors import BadOptions


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
