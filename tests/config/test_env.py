"""Test the readers of variables: valid values are read, an error names the variable and never its value."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.fernet import Fernet

from config import env, server_urls
from config.env import Misconfigured

NAME = "WAYPOST_SOMETHING"


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    return lambda value: monkeypatch.setenv(NAME, value)


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        (" a ", lambda: env.text(NAME), "a"),
        ("", lambda: env.text(NAME, "default"), "default"),
        ("b", lambda: env.choice(NAME, ("a", "b"), "a"), "b"),
        ("", lambda: env.choice(NAME, ("a", "b"), "a"), "a"),
        ("Yes", lambda: env.flag(NAME, False), True),
        ("off", lambda: env.flag(NAME, True), False),
        ("", lambda: env.flag(NAME, True), True),
        (
            "https://a.example, http://localhost:3000",
            lambda: env.origins(NAME),
            ["https://a.example", "http://localhost:3000"],
        ),
        ("", lambda: env.origins(NAME), []),
        (f"{'k' * 32}, {'o' * 40}", lambda: env.signing_keys(NAME), ["k" * 32, "o" * 40]),
        ("", lambda: env.signing_keys(NAME), []),
        ("7", lambda: env.integer(NAME, 1, maximum=7), 7),
        (" a, b,,c ", lambda: env.words(NAME), ["a", "b", "c"]),
        (" ", lambda: env.words(NAME, ["d"]), ["d"]),
        ("book=shop.orders.book, a.b", lambda: env.dotted_paths(NAME), {"book": "shop.orders.book", "a.b": "a.b"}),
        ("json,email.apps.Config", lambda: env.app_names(NAME), ["json", "email.apps.Config"]),
        ("127.0.0.1, ::1/128,10.0.0.0/8", lambda: env.networks(NAME), ["127.0.0.1/32", "::1/128", "10.0.0.0/8"]),
        (
            "10.0.0.2,10.0.0.2:5353, 2001:db8::2,[2001:db8::2]:53",
            lambda: env.name_servers(NAME),
            ["10.0.0.2", "10.0.0.2:5353", "2001:db8::2", "[2001:db8::2]:53"],
        ),
        ("redis://h/0", lambda: env.url(NAME, ("redis", "rediss")), "redis://h/0"),
    ],
)
def test_valid_value_is_read(given: Callable[[str], None], value: str, read: Callable[[], Any], expected: Any) -> None:
    given(value)
    assert read() == expected


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("", lambda: env.text(NAME)),
        ("sesame", lambda: env.choice(NAME, ("a", "b"), "a")),
        ("sesame", lambda: env.flag(NAME, False)),
        ("sesame", lambda: env.integer(NAME, 1)),
        ("8", lambda: env.integer(NAME, 1, maximum=7)),
        ("-1", lambda: env.integer(NAME, 1)),
        ("10.0.0.1/8", lambda: env.networks(NAME)),  # bits outside the mask
        ("sesame", lambda: env.networks(NAME)),
        *(
            (it, lambda: env.origins(NAME))
            for it in ("sesame", "*", "https://sesame.example/", "https://*.sesame.example")
        ),
        ("sesame", lambda: env.name_servers(NAME)),
        ("10.0.0.2:70000", lambda: env.name_servers(NAME)),
        ("sesame.example.com:53", lambda: env.name_servers(NAME)),
        ("sesame", lambda: env.app_names(NAME)),
        ("json; sesame", lambda: env.app_names(NAME)),
        ("sesame", lambda: env.dotted_paths(NAME)),
        ("a=sesame..b", lambda: env.dotted_paths(NAME)),
        ("http://sesame", lambda: env.url(NAME, ("redis",))),
        ("redis://[sesame", lambda: env.url(NAME, ("redis",))),
        ("mysql://u:sesame@h/d", lambda: server_urls.database(NAME)),
        ("postgresql://u:sesame@h", lambda: server_urls.database(NAME)),
        ("postgresql://u:sesame@h:port/d", lambda: server_urls.database(NAME)),
        ("sesame", lambda: env.fernet_keys(NAME, keep_in=None)),
        (f"{'k' * 32},sesame", lambda: env.signing_keys(NAME)),
    ],
)
def test_invalid_value_raises_an_error_that_names_the_variable(
    given: Callable[[str], None], value: str, read: Callable[[], Any]
) -> None:
    given(value)
    with pytest.raises(Misconfigured, match=NAME) as caught:
        read()
    assert "sesame" not in str(caught.value)


def test_database_reads_a_url_as_libpq_does(given: Callable[[str], None]) -> None:
    given("postgresql://us%40er:p%2Fw@db.example:6432/way%20post?sslmode=require")
    assert server_urls.database(NAME) == {
        "NAME": "way post",
        "USER": "us@er",
        "PASSWORD": "p/w",
        "HOST": "db.example",
        "PORT": "6432",
        "OPTIONS": {"sslmode": "require"},
    }


def test_database_reads_a_socket_directory(given: Callable[[str], None]) -> None:
    given("postgresql://waypost@/waypost?host=%2Frun%2Fpg&port=5433")
    read = server_urls.database(NAME)
    assert (read["HOST"], read["PORT"], read["OPTIONS"]) == ("/run/pg", "5433", {})


def test_secret_is_made_once_and_stored_for_its_owner_only(tmp_path: Path) -> None:
    kept = tmp_path / "new" / "secret"
    made = env.secret(NAME, keep_in=kept, make=env.random_secret)
    assert made == env.secret(NAME, keep_in=kept, make=env.random_secret)
    assert len(made) >= 50
    assert kept.stat().st_mode & 0o777 == 0o600


def test_secret_that_is_set_is_not_stored(given: Callable[[str], None], tmp_path: Path) -> None:
    given("mine")
    assert env.secret(NAME, keep_in=tmp_path / "secret", make=env.random_secret) == "mine"
    assert not (tmp_path / "secret").exists()


def test_kept_returns_the_text_that_another_process_stored_first(tmp_path: Path) -> None:
    def make() -> str:
        (tmp_path / "secret").write_text("earlier\n")
        return "later"

    assert env.read_or_create(tmp_path / "secret", make) == "earlier"
    assert [file.name for file in tmp_path.iterdir()] == ["secret"]


def test_secret_that_is_neither_set_nor_stored_raises_an_error() -> None:
    with pytest.raises(Misconfigured, match=NAME):
        env.secret(NAME, keep_in=None, make=env.random_secret)


def test_fernet_keys_are_read_in_order(given: Callable[[str], None]) -> None:
    keys = [Fernet.generate_key().decode() for _ in range(2)]
    given(", ".join(keys))
    assert env.fernet_keys(NAME, keep_in=None) == keys


def test_directory_that_cannot_be_made_raises_an_error_that_names_the_data_directory(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Misconfigured, match="WAYPOST_DATA"):
        env.create_directory(tmp_path / "file" / "below")


@pytest.mark.parametrize(
    ("value", "read", "expected"),
    [
        (" a\n", lambda: env.text(NAME), "a"),
        ("a,b\n", lambda: env.words(NAME), ["a", "b"]),
        ("7\n", lambda: env.integer(NAME, 1), 7),
        ("postgresql://u:p@h/d\n", lambda: server_urls.database(NAME)["PASSWORD"], "p"),
        ("s3cret\n", lambda: env.secret(NAME, keep_in=None, make=str), "s3cret"),
        ("\n", lambda: env.text(NAME, "default"), "default"),
    ],
)
def test_value_is_read_from_a_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, value: str, read: Callable[[], Any], expected: Any
) -> None:
    (tmp_path / "value").write_text(value)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "value"))
    assert read() == expected


@pytest.mark.parametrize(
    ("content", "value", "message"),
    [
        (None, "", "cannot read"),
        (b"\xff", "", "it is no text in UTF-8"),
        (b"a", "b", f"set {NAME} or {NAME}_FILE, not both"),
    ],
    ids=["no file", "no text", "both"],
)
def test_file_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, content: bytes | None, value: str, message: str
) -> None:
    if content is not None:
        (tmp_path / "value").write_bytes(content)
    monkeypatch.setenv(f"{NAME}_FILE", str(tmp_path / "value"))
    monkeypatch.setenv(NAME, value)
    with pytest.raises(Misconfigured, match=message):
        env.text(NAME)
