"""Settings of a kind are checked one by one, and all faults are reported at once, each with its field."""

from typing import Any

import pytest

from webhooks.kit.kinds.setting import InvalidSettings, Setting, check_settings, masked, not_installed

DECLARED = [
    Setting("topic", "Topic", "What is read.", is_required=True, max_length=10),
    Setting("size", "Size", "A number.", type="number", default=10, minimum=1, maximum=20),
    Setting("mode", "Mode", "A choice.", choices=("a", "b")),
    Setting("flag", "Flag", "Yes or no.", type="boolean", default=False),
    Setting("names", "Names", "A list.", type="texts"),
    Setting("map", "Map", "An object.", type="object"),
    Setting("password", "Password", "A credential.", is_credential=True),
]


def test_settings_get_their_defaults_and_credentials_are_apart() -> None:
    given = {"topic": "orders", "names": ["a"], "map": {"x": 1}}
    settings, credentials = check_settings(DECLARED, given, {"password": "s3\ncret"})
    assert settings == {"topic": "orders", "size": 10, "flag": False, "names": ["a"], "map": {"x": 1}}
    assert credentials == {"password": "s3\ncret"}


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("topic", None, "Is required."),
        ("topic", "", "Is required."),
        ("topic", 7, "Must be a string."),
        ("topic", "x" * 11, "Must be at most 10 characters."),
        ("topic", "a\0b", "Must not contain control characters."),
        ("topic", "a\nb", "Must not contain control characters."),
        ("size", "7", "Must be an integer."),
        ("size", True, "Must be an integer."),
        ("size", 1.5, "Must be an integer."),
        ("size", 0, "Must be at least 1."),
        ("size", 21, "Must be at most 20."),
        ("mode", "c", "Must be one of: a, b."),
        ("mode", False, "Must be one of: a, b."),
        ("flag", "yes", "Must be true or false."),
        ("names", "a", "Must be an array of strings, at least one."),
        ("names", [], "Must be an array of strings, at least one."),
        ("names", [1], "Must be a string."),
        ("map", [], "Must be an object."),
        ("topc", "x", 'Unknown; did you mean "topic"? It must be one of: topic, size, mode, flag, names, map.'),
        ("password", "x", "Unknown; must be one of: topic, size, mode, flag, names, map."),
    ],
)
def test_wrong_value_is_reported_with_its_field(name: str, value: Any, problem: str) -> None:
    with pytest.raises(InvalidSettings) as caught:
        check_settings(DECLARED, {"topic": "orders", name: value}, {})
    assert caught.value.problems == {f"settings.{name}": problem}


def test_all_faults_are_reported_at_once() -> None:
    with pytest.raises(InvalidSettings) as caught:
        check_settings(DECLARED, {"size": 0, "mode": "c"}, {"password": 1, "token": "x"})
    assert sorted(caught.value.problems) == [
        "credentials.password",
        "credentials.token",
        "settings.mode",
        "settings.size",
        "settings.topic",
    ]


def test_unknown_and_missing_settings_have_codes_of_their_own() -> None:
    with pytest.raises(InvalidSettings) as caught:
        check_settings(DECLARED, {"topc": "x", "size": 0}, {})
    codes = {name: getattr(it, "code", "") for name, it in caught.value.problems.items()}
    assert codes == {"settings.topc": "unknown", "settings.topic": "required", "settings.size": ""}


def test_absent_module_is_named_with_the_extra_that_brings_it() -> None:
    assert not_installed("A source of the kind x", ("json", "orjson"), "x") == ""
    message = not_installed("A source of the kind x", ("json", "no_such_module.part"), "x")
    assert message == "A source of the kind x needs no_such_module.part, not installed here: waypost[x] brings it."


def test_credentials_are_masked_in_the_words_of_another_system_unless_they_are_part_of_any_word() -> None:
    credentials = {"password": "hunter2", "token": "hunter2-long", "code": "abc"}
    assert masked("no hunter2-long, no hunter2, abc", credentials) == "no ***, no ***, abc"
