import hmac
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.webhooks.schemes.battery import BODY, NOW, Message, SchemeBattery
from webhooks import schemes

OCTOKIT = json.loads((Path(__file__).parents[2] / "vectors" / "octokit.json").read_text())["cases"]


class TestGitHub(SchemeBattery):
    scheme = "github"
    signature_headers = ("X-Hub-Signature-256",)

    def signed(self, secret: str, body: bytes = BODY, now: int = NOW) -> Message:
        signature = hmac.digest(secret.encode(), body, "sha256").hex()
        return Message({"X-Hub-Signature-256": f"sha256={signature}", "X-GitHub-Delivery": "72d3162e"}, body)

    def test_verify_accepts_the_documented_example(self) -> None:
        signature = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"
        self.verify(Message({"X-Hub-Signature-256": signature}, b"Hello, World!"), "It's a Secret to Everybody")

    @pytest.mark.parametrize("case", OCTOKIT, ids=range(len(OCTOKIT)))
    def test_verify_accepts_what_octokit_signs(self, case: dict[str, str]) -> None:
        message = Message({"X-Hub-Signature-256": case["signature"]}, case["body"].encode())
        self.verify(message, case["secret"])
        self.rejects(message, case["secret"] + " ")
        self.rejects(replace(message, body=message.body + b" "), case["secret"])

    def test_verify_ignores_the_sha1_header(self) -> None:
        signature = hmac.digest(self.secret.encode(), BODY, "sha1").hex()
        self.rejects(Message({"X-Hub-Signature": f"sha1={signature}"}))
        self.rejects(Message({"X-Hub-Signature-256": f"sha1={signature}"}))

    def test_verify_rejects_another_prefix_or_case(self) -> None:
        message = self.signed(self.secret)
        value = message.headers["X-Hub-Signature-256"]
        self.rejects(message.with_header("X-Hub-Signature-256", value.removeprefix("sha256=")))
        self.rejects(message.with_header("X-Hub-Signature-256", "sha256=" + value.removeprefix("sha256=").upper()))

    def test_message_id_and_event_type_are_read_from_the_headers(self) -> None:
        headers = {"x-github-delivery": "72d3162e", "X-GitHub-Event": "push"}
        assert schemes.get("github").message_id(headers) == "72d3162e"
        assert schemes.get("github").event_type(headers) == "push"
        assert schemes.get("github").event_type({}) is None
