"""What providers ask once, to see that somebody is at home, and how they want to be answered.

Asked in a message that is verified like any other, and not kept: it says nothing.
"""

from webhooks.reading import parse


def greeting(scheme: str, body: bytes | None) -> dict[str, str] | None:
    """The JSON to answer with, or None if this is an ordinary message.

    Slack sends ``url_verification`` with a challenge and wants it back:
    https://docs.slack.dev/reference/events/url_verification
    """
    if scheme != "slack" or body is None or b"url_verification" not in body:
        return None
    document = parse(body)
    if not isinstance(document, dict) or document.get("type") != "url_verification":
        return None
    challenge = document.get("challenge")
    return {"challenge": challenge} if isinstance(challenge, str) else None
