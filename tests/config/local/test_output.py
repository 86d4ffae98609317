"""Lines of the programs stay readable by machines if they are JSON, and have a prefix if they are not."""

import json

import pytest

from config.local.output import print_json, print_text


def test_line_of_json_is_printed_as_it_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_json("web", '{"event": "request"}')
    assert capsys.readouterr().out == '{"event": "request"}\n'


@pytest.mark.parametrize("line", ["Traceback (most recent call last):", '{"cut', ""])
def test_other_line_becomes_the_event_of_a_line_of_json(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    print_json("work", line)
    found = json.loads(capsys.readouterr().out)
    assert (found["event"], found["program"], found["logger"]) == (line, "work", "waypost.up")
    assert found["timestamp"].endswith("Z")


def test_text_has_the_name_of_its_program(capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("web", "up"):
        print_text(["web", "deliver"], name, "ready", colour=False)
    print_text(["web"], "web", "ready", colour=True)
    assert capsys.readouterr().out == "web     | ready\nup      | ready\n\033[33mweb |\033[0m ready\n"
