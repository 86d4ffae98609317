"""The client in clients/python and its command line, on a running platform."""

import asyncio
import io
import json
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import psutil
import pytest
import yaml
from waypost_client import (
    AsyncClient,
    Client,
    Conflict,
    InvalidRequest,
    NotAuthenticated,
    NotConnected,
    NotFound,
    WebhookVerificationError,
    verify,
)
from waypost_client.cli import assistants, configuration
from waypost_client.cli.main import main, parser

from config.local.demo.launch import launched
from tests.docs.blocks import Block
from tests.docs.inventory import blocks_for
from tests.ports import free_port
from tests.processes import start
from tests.receiver import Receiver
from tests.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def platform() -> Iterator[tuple[str, str]]:
    """Return the address of a platform and the key of a tenant."""
    with launched() as found:
        found.wait_until_ready()
        yield found.address, found.create_tenant("Client")


@pytest.fixture
def client(platform: tuple[str, str]) -> Iterator[Client]:
    with Client(*platform) as client:
        yield client


@pytest.fixture
def waypost(
    platform: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> Run:
    """Return the function that runs a command and returns its status, its output and its remarks."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("WAYPOST_URL", platform[0])
    monkeypatch.setenv("WAYPOST_KEY", platform[1])
    monkeypatch.delenv("WAYPOST_TENANT", raising=False)

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as ended:
            status = int(ended.code or 0)
        printed = capsys.readouterr()
        return status, printed.out, printed.err

    return run


def lines(text: str) -> list[Any]:
    return [json.loads(line) for line in text.splitlines()]


def test_generated_files_are_those_of_the_description() -> None:
    command = [sys.executable, str(ROOT / "clients" / "python" / "generate.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_client_is_typed_without_a_gap() -> None:
    command = [sys.executable, "-m", "mypy", "--config-file", os.devnull, "--strict", "-p", "waypost_client"]
    done = subprocess.run(command, cwd=ROOT / "clients" / "python", capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_event_reaches_an_endpoint_and_is_verified(client: Client) -> None:
    with Receiver() as receiver:
        endpoint: Any = client.create_endpoint(
            {"url": receiver.url("/a"), "subscriptions": [{"event_types": ["client.one"]}]}
        )
        result = client.create_event({"type": "client.one", "data": {"total": 42}})
        (arrival,) = receiver.wait_for(1, "/a")
        event = verify(endpoint["secret"], dict(arrival.headers.items()), arrival.body)
        assert (event["type"], event["data"]) == ("client.one", {"total": 42})
        assert arrival.message_id == result["id"]
        with pytest.raises(WebhookVerificationError):
            verify(endpoint["secret"], dict(arrival.headers.items()), arrival.body + b" ")
        client.delete_endpoint(endpoint["id"])


def test_list_is_iterated_over_all_pages(client: Client) -> None:
    ids = {client.create_event({"type": "client.page", "data": {"n": number}})["id"] for number in range(5)}
    found = client.list_events(type="client.page", limit=2)
    assert {it["id"] for it in found} == ids
    assert len(list(found.pages())) == 3
    assert client.list_events(type="client.page", since="2100-01-01T00:00:00Z").first() is None


def test_asynchronous_client_does_the_same(platform: tuple[str, str]) -> None:
    async def run() -> tuple[str, list[str]]:
        async with AsyncClient(*platform) as client:
            one = await client.create_event({"type": "client.async", "data": 1})
            return one["id"], [it["id"] async for it in client.list_events(type="client.async")]

    made, found = asyncio.run(run())
    assert found == [made]


def test_problem_is_raised_by_what_it_is(client: Client, platform: tuple[str, str]) -> None:
    with pytest.raises(InvalidRequest) as invalid:
        client.create_endpoint({"url": "nowhere"})
    assert (invalid.value.status, invalid.value.errors[0]["field"]) == (400, "url")
    assert invalid.value.request_id
    with pytest.raises(NotFound):
        client.get_event("evt_01h455vb4pex5vsknk084sn02q")
    client.create_event_type({"name": "client.conflict"})
    with pytest.raises(Conflict):
        client.create_event_type({"name": "client.conflict"})
    with Client(platform[0], "wp_wrong") as other, pytest.raises(NotAuthenticated):
        other.list_events().first()
    with Client(f"http://127.0.0.1:{free_port()}", "k", attempts=1) as nowhere, pytest.raises(NotConnected):
        nowhere.list_events().first()


def test_key_is_kept_for_its_owner_only(
    platform: tuple[str, str], waypost: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("WAYPOST_URL", "WAYPOST_KEY"):
        monkeypatch.delenv(name)
    status, _, remarks = waypost("events")
    assert (status, "run `waypost login`" in remarks) == (1, True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(platform[1] + "\n"))
    status, printed, remarks = waypost("login", "--url", platform[0])
    assert status == 0, remarks
    kept = tmp_path / "config" / "waypost" / "profile.json"
    assert str(kept) in printed
    assert kept.stat().st_mode & 0o077 == 0
    assert waypost("events")[0] == 0
    status, _, remarks = waypost("login", "--url", platform[0], "--key", "wp_wrong")
    assert status == 1
    assert waypost("whoami", "--json")[1].count(platform[1]) == 0


def test_commands_publish_and_show_what_became_of_it(waypost: Run, client: Client, tmp_path: Path) -> None:
    with Receiver() as receiver:
        receiver.script("/broken", 500)
        made: Any = client.create_endpoint(
            {
                "url": receiver.url("/broken"),
                "uid": "broken",
                "retry_plan": [],
                "subscriptions": [{"event_types": ["cli.*"]}],
            }
        )
        status, printed, remarks = waypost("publish", "cli.one", '{"total": 42}', "--json", "--subject", "order-1")
        assert status == 0, remarks
        (published,) = lines(printed)
        assert published["deliveries"] == 1
        (shown,) = lines(waypost("events", "--type", "cli.one", "--json")[1])
        assert (shown["id"], shown["subject"]) == (published["id"], "order-1")
        assert "cli.one" in waypost("events", "--type", "cli.one")[1]
        assert "broken" in waypost("explain", published["id"])[1]
        wait_until(
            lambda: lines(waypost("deliveries", "--endpoint", "broken", "--state", "dead", "--json")[1]),
            "a dead letter",
        )
        assert "dead" in waypost("deliveries", "--endpoint", "broken", "--since", "1h")[1]
        receiver.script("/broken", 200)
        assert "1 dead letters match" in waypost("replay", "--endpoint", "broken", "--dry-run")[2]
        status, printed, remarks = waypost("replay", "--endpoint", "broken", "--yes")
        assert (status, "finished" in printed) == (0, True), remarks
        file = tmp_path / "events.ndjson"
        file.write_text('{"type": "cli.file", "data": 1}\n\n{"type": "cli.file", "data": 2}\n')
        assert "2 accepted, 0 refused" in waypost("publish", "--file", str(file))[2]
        file.write_text('{"type": "", "data": 1}\n')
        assert waypost("publish", "--file", str(file))[0] == 1
        client.delete_endpoint(made["id"])


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("publish", "x", "{"), "Expecting"),
        (("publish",), "type"),
        (("explain", "evt_nothing"), "not_found"),
        (("replay",), ""),
        (("apply", "missing.yaml"), "missing.yaml"),
        (("trigger", "no.such.type"), "not_found"),
        (("events", "--since", "yesterday"), "since"),
    ],
    ids=str,
)
def test_wrong_words_are_one_line_that_names_them(waypost: Run, words: tuple[str, ...], named: str) -> None:
    status, _, remarks = waypost(*words)
    assert status in (1, 2)
    assert named in remarks
    assert "Traceback" not in remarks


def test_example_of_a_type_is_published(waypost: Run, client: Client) -> None:
    client.create_event_type({"name": "cli.example", "examples": [{"total": 1}]})  # type: ignore[typeddict-item]
    status, _, remarks = waypost("trigger", "cli.example")
    assert status == 0, remarks
    assert client.list_events(type="cli.example").first()


def test_configuration_is_exported_compared_and_applied(waypost: Run, client: Client, tmp_path: Path) -> None:
    file = tmp_path / "waypost.yaml"
    file.write_text(
        yaml.safe_dump(
            {
                "event_types": [{"name": "conf.made", "description": "Made"}],
                "endpoints": [
                    {
                        "uid": "conf",
                        "url": "https://example.com/hooks",
                        "subscriptions": [{"event_types": ["conf.*"], "pattern": {"data": {"a": [1]}}}],
                    }
                ],
                "schedules": [
                    {"uid": "conf-daily", "expression": "rate(1 day)", "event": {"type": "conf.daily", "data": {}}}
                ],
            }
        )
    )
    status, printed, _ = waypost("diff", str(file))
    assert status == 1
    assert "create endpoints conf" in printed
    assert "3 changes" in waypost("apply", str(file))[2]
    assert waypost("diff", str(file))[:2] == (0, "")
    assert "0 changes" in waypost("apply", str(file))[2]
    exported = yaml.safe_load(waypost("export")[1])
    assert [it["url"] for it in exported["endpoints"] if it["uid"] == "conf"] == ["https://example.com/hooks"]
    assert "conf-daily" in waypost("schedules")[1]
    wanted = configuration.load(file)
    wanted["endpoints"][0] |= {"description": "Changed", "subscriptions": [{"event_types": ["conf.other"]}]}
    file.write_text(configuration.text_of(wanted))
    assert "+description: Changed" in waypost("diff", str(file))[1]
    status, printed, remarks = waypost("apply", str(file))
    assert "change endpoints conf" in printed, remarks
    assert waypost("diff", str(file))[:2] == (0, "")
    file.write_text("schedules: []\n")
    assert "delete schedules conf-daily" in waypost("apply", str(file), "--prune")[1]
    changed = client.get_endpoint("conf")
    assert changed["description"] == "Changed"
    subscribed = [it["event_types"] for it in client.list_subscriptions() if it["endpoint"] == changed["id"]]
    assert subscribed == [["conf.other"]]
    client.delete_endpoint("conf")
    file.write_text("other: 1\n")
    assert "the members must be" in waypost("apply", str(file))[2]


def test_doctor_names_an_endpoint_that_is_disabled(waypost: Run, client: Client) -> None:
    assert waypost("doctor")[0] == 0


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_has_every_command(waypost: Run, shell: str) -> None:
    status, printed, _ = waypost("completion", shell)
    assert status == 0
    assert {"publish", "listen", "login"} <= set(printed.replace("'", " ").split())


def test_completion_is_accepted_by_bash(waypost: Run) -> None:
    script = waypost("completion", "bash")[1]
    asked = 'COMP_WORDS=(waypost pu); COMP_CWORD=1; _waypost; echo "${COMPREPLY[@]}"'
    done = subprocess.run(["bash", "-c", f"{script}\n{asked}"], capture_output=True, text=True, check=False)
    assert done.stdout.split() == ["publish"], done.stderr


def called(client: Client, *messages: dict[str, Any], may_write: bool = False) -> list[Any]:
    given = io.StringIO("".join(json.dumps({"jsonrpc": "2.0", **it}) + "\n" for it in messages))
    answers = io.StringIO()
    assistants.serve(client, may_write=may_write, lines=given, answers=answers)
    return lines(answers.getvalue())


def test_assistant_may_read_and_only_with_leave_write(client: Client) -> None:
    hello = {"id": 1, "method": "initialize", "params": {}}
    listed = {"id": 2, "method": "tools/list"}
    event = {"type": "mcp.one", "data": '{"a": 1}'}
    publishing = {"id": 3, "method": "tools/call", "params": {"name": "publish", "arguments": event}}
    reading = {"id": 4, "method": "tools/call", "params": {"name": "events", "arguments": {"type": "mcp.one"}}}
    note = {"method": "notifications/initialized"}
    client.create_event({"type": "mcp.one", "data": 0})
    started, tools, refused, before = called(client, hello, note, listed, publishing, reading)
    assert started["result"]["serverInfo"]["name"] == "waypost"
    names = {it["name"] for it in tools["result"]["tools"]}
    assert "events" in names
    assert not {"publish", "apply", "replay", "listen"} & names
    assert refused["error"]["code"] == assistants.INVALID_PARAMS
    assert (before["result"]["isError"], before["result"]["content"][0]["text"].count("mcp.one")) == (False, 1)
    all_tools, published, found = called(client, listed, publishing, reading, may_write=True)
    assert {"publish", "apply", "replay"} <= {it["name"] for it in all_tools["result"]["tools"]}
    assert not {"listen", "tail"} & {it["name"] for it in all_tools["result"]["tools"]}
    assert not published["result"]["isError"], published
    assert found["result"]["content"][0]["text"].count("mcp.one") == 2


def test_assistant_replays_without_being_asked_and_sees_differences(client: Client, tmp_path: Path) -> None:
    client.create_event({"type": "mcp.again", "data": 0})
    made: Any = client.create_endpoint({"type": "poll", "subscriptions": [{"event_types": ["mcp.again"]}]})
    file = tmp_path / "waypost.yaml"
    file.write_text("event_types: [{name: mcp.wanted}]\n")
    again = {"name": "replay", "arguments": {"type": "mcp.again", "events": True}}
    replaying = {"id": 1, "method": "tools/call", "params": again}
    differing = {"id": 2, "method": "tools/call", "params": {"name": "diff", "arguments": {"file": str(file)}}}
    tools = {"id": 3, "method": "tools/list"}
    replayed, differs, listed = called(client, replaying, differing, tools, may_write=True)
    assert (replayed["result"]["isError"], differs["result"]["isError"]) == (False, False), (replayed, differs)
    assert "1 events match" in replayed["result"]["content"][0]["text"]
    assert "mcp.wanted" in differs["result"]["content"][0]["text"]
    (replay,) = (it for it in listed["result"]["tools"] if it["name"] == "replay")
    assert "yes" not in replay["inputSchema"]["properties"]
    client.delete_endpoint(made["id"])


def test_assistant_is_told_of_errors(client: Client) -> None:
    wrong = {"id": 1, "method": "tools/call", "params": {"name": "explain", "arguments": {"event": "evt_nothing"}}}
    unknown = {"id": 2, "method": "resources/list"}
    failed, refused = called(client, wrong, unknown)
    assert failed["result"]["isError"]
    assert "not_found" in failed["result"]["content"][0]["text"]
    assert refused["error"]["code"] == assistants.METHOD_NOT_FOUND


@pytest.mark.parametrize("block", [*blocks_for("waypost-commands"), *blocks_for("mcp")], ids=str)
def test_command_of_the_page_exists(block: Block) -> None:
    if block.language == "json":
        server = json.loads(block.text)["mcpServers"]["waypost"]
        found = [[server["command"], *server["args"]]]
    else:
        found = [shlex.split(line.partition(" > ")[0]) for line in block.text.splitlines()]
    for program, *words in found:
        assert program == "waypost"
        parser().parse_args(words)


def test_wheel_of_the_client_has_the_command(tmp_path: Path) -> None:
    uv = str(Path(sys.executable).with_name("uv"))
    folder = ROOT / "clients" / "python"
    subprocess.run(
        [uv, "build", "--wheel", "--offline", "--quiet", "--out-dir", str(tmp_path), str(folder)], check=True
    )
    (wheel,) = tmp_path.glob("waypost_client-*.whl")
    names = ZipFile(wheel).namelist()
    assert "waypost_client/models.py" in names
    assert "waypost_client/py.typed" in names
    (entries,) = (it for it in names if it.endswith("entry_points.txt"))
    assert "waypost = waypost_client.cli.main:main" in ZipFile(wheel).read(entries).decode()


def test_listen_forwards_what_is_published_and_survives_a_restart(client: Client, platform: tuple[str, str]) -> None:
    environment = {**os.environ, "WAYPOST_URL": platform[0], "WAYPOST_KEY": platform[1], "PYTHONUNBUFFERED": "1"}
    environment["PYTHONPATH"] = str(ROOT / "clients" / "python")
    secret = "whsec_" + "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
    with Receiver() as receiver:
        words = ["listen", str(receiver.port), "--path", "/hooks", "--types", "listen.*", "--secret", secret, "--json"]
        command = [sys.executable, "-m", "waypost_client.cli.main", *words]
        listening = start(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        endpoint: Any = wait_until(
            lambda: next((it for it in client.list_endpoints() if it["description"] == "waypost listen"), None),
            "the endpoint of listen",
        )
        client.create_event({"type": "listen.one", "data": {"n": 1}})
        (first,) = receiver.wait_for(1, "/hooks")
        assert first.verify(secret)["data"] == {"n": 1}
        assert json.loads(listening.stdout.readline())["accepted"] is True
        listening.stdin.write("r\n")
        listening.stdin.flush()
        assert receiver.wait_for(2, "/hooks")[1].message_id == first.message_id
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if platform[0].rpartition(":")[2] in process.cmdline() and "config.web" in process.cmdline():
                    process.kill()
        client.create_event({"type": "listen.two", "data": {"n": 2}})
        assert receiver.wait_for(3, "/hooks")[2].verify(secret)["data"] == {"n": 2}
        wait_until(
            lambda: client.list_deliveries(endpoint=endpoint["id"], state="pending").first() is None,
            "acknowledgements",
        )
        listening.send_signal(signal.SIGINT)
        assert listening.wait() == 0
        listening.stdin.close()
        listening.stdout.close()
        with pytest.raises(NotFound):
            client.get_endpoint(endpoint["id"])
