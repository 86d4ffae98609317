"""Say what each preset is held against: a library with its version, values that the sender publishes, or the rules."""

import re
from pathlib import Path

from tests.webhooks.senders.libraries.light import LIBRARIES
from tests.webhooks.senders.vectors import VECTORS
from webhooks.senders.presets import Sender

_ROOT = Path(__file__).resolve().parents[3]
_LOCKED = re.compile(r"^([A-Za-z0-9._-]+)(?:\[[a-z,]+\])?==([^\s;]+)", re.MULTILINE)
SECOND_IMPLEMENTATION = "a second implementation"
NOTHING = "nothing: its messages have no proof"

FURTHER_LIBRARIES = {
    "airtable": "pyairtable",
    "box": "boxsdk",
    "braintree": "braintree",
    "dropbox-sign": "dropbox-sign",
    "fintoc": "fintoc",
    "github": "gidgethub",
    "google-pubsub": "google-auth",
    "hubspot": "hubspot-api-client",
    "line": "line-bot-sdk",
    "mailgun": "mailgun",
    "meta": "pywa",
    "modern-treasury": "modern-treasury",
    "mollie": "mollie-api-py",
    "openai": "openai",
    "paddle": "paddle-python-sdk",
    "plivo": "plivo",
    "pusher": "pusher",
    "quickbooks": "python-quickbooks",
    "sendgrid": "sendgrid",
    "sinch": "sinch",
    "telnyx": "telnyx",
    "vonage": "vonage-jwt",
    "workos": "workos",
}
"""The libraries of tests/senders, which cannot be imported here, by the name of the sender."""


def held_against(sender: Sender) -> str:
    """Return what a preset is held against, for the page of senders."""
    versions = _versions()
    given = [it.package for it in LIBRARIES if it.sender == sender.name]
    packages = dict.fromkeys([*given, *filter(None, [FURTHER_LIBRARIES.get(sender.name)])])
    places = dict.fromkeys(it.place.partition(";")[0] for it in VECTORS if it.sender == sender.name)
    found = [f"library `{name}` {versions[name.lower().replace('_', '-')]}" for name in packages]
    found += [f"values of {place}" for place in places]
    if found:
        return "; ".join(found)
    return NOTHING if sender.fields["scheme"] == "none" else SECOND_IMPLEMENTATION


def counts(senders: list[Sender]) -> str:
    """Return how many presets are held against what, as a sentence."""
    texts = [held_against(sender) for sender in senders]
    both = sum("library `" in text and "values of" in text for text in texts)
    library, values = (sum(word in text for text in texts) for word in ("library `", "values of"))
    return (
        f"{library} are held against a library of the sender or of its kind of signature, {values} against values that "
        f"the sender or such a library publishes ({both} of them against both), "
        f"{texts.count(SECOND_IMPLEMENTATION)} against a second implementation of the documented rule only."
    )


def _versions() -> dict[str, str]:
    locks = [(_ROOT / name).read_text() for name in ("requirements-senders.txt", "requirements-dev.txt")]
    return {name.lower().replace("_", "-"): version for lock in locks for name, version in _LOCKED.findall(lock)}
