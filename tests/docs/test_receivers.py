"""Test that the code on the page for receivers accepts our signatures and rejects others, in every language.

A language is tested where its compiler or interpreter is installed.
"""

import base64
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from webhooks.wire.signing.keys import new_keypair, new_secret
from webhooks.wire.signing.standard_webhooks import sign

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "receive-our-webhooks.md"
BODY = '{"specversion":"1.0","type":"order.paid","data":{"name":"Zoë","total":42}}\n'.encode()
SECRET, OTHER = new_secret(), new_secret()

Message = tuple[str, dict[str, str], bytes]


def page_code(language: str) -> str:
    """Return the code block of this language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def sign_headers(secret: str = SECRET, body: bytes = BODY, age: int = 0) -> dict[str, str]:
    moment = int(time.time()) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(moment),
        "webhook-signature": sign(secret, "msg_1", moment, body),
    }


def with_both_signatures(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {**first, "webhook-signature": f"{second['webhook-signature']} {first['webhook-signature']}"}


def valid_messages() -> list[Message]:
    return [
        (SECRET, sign_headers(), BODY),
        (SECRET, with_both_signatures(sign_headers(), sign_headers(OTHER)), BODY),
        (OTHER, with_both_signatures(sign_headers(), sign_headers(OTHER)), BODY),
        (SECRET, sign_headers(body=b"{}"), b"{}"),
    ]


def invalid_messages() -> list[Message]:
    other_version = sign_headers()["webhook-signature"].replace("v1,", "v2,")
    return [
        (OTHER, sign_headers(), BODY),
        (SECRET, sign_headers(), BODY + b" "),
        (SECRET, sign_headers(age=3600), BODY),
        (SECRET, sign_headers(age=-3600), BODY),
        (SECRET, {**sign_headers(), "webhook-id": "msg_2"}, BODY),
        (SECRET, {**sign_headers(), "webhook-timestamp": "soon"}, BODY),
        (SECRET, {**sign_headers(), "webhook-signature": "v1,"}, BODY),
        (
            SECRET,
            {**sign_headers(), "webhook-signature": other_version},
            BODY,
        ),
        (SECRET, {**sign_headers(), "webhook-signature": ""}, BODY),
    ]


Check = Callable[[list[Message], Path], list[bool]]


def run(*command: str | Path) -> list[bool]:
    """Write a program that reads messages.json and prints its verdicts as a JSON list."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts: list[bool] = json.loads(done.stdout)
    return verdicts


def write_program(messages: list[Message], folder: Path, name: str, text: str) -> Path:
    rows = [{"secret": secret, "headers": headers, "body": body.hex()} for secret, headers, body in messages]
    (folder / "messages.json").write_text(json.dumps(rows))
    (folder / name).write_text(text)
    return folder / name


def python(messages: list[Message], folder: Path, block: str = "python") -> list[bool]:
    calls = """
import json, pathlib, sys
rows = json.loads(pathlib.Path(sys.argv[1]).read_text())
print(json.dumps([verify(row["secret"], row["headers"], bytes.fromhex(row["body"])) for row in rows]))
"""
    program = write_program(messages, folder, "verify.py", page_code(block) + calls)
    return run(sys.executable, program, folder / "messages.json")


def node(messages: list[Message], folder: Path, block: str = "javascript") -> list[bool]:
    calls = """
const rows = JSON.parse(require("node:fs").readFileSync(process.argv[2]));
console.log(JSON.stringify(rows.map((row) => verify(row.secret, row.headers, Buffer.from(row.body, "hex")))));
"""
    program = write_program(messages, folder, "verify.js", page_code(block) + calls)
    return run("node", program, folder / "messages.json")


def go(messages: list[Message], folder: Path) -> list[bool]:
    calls = """
package main

import (
	"encoding/hex"
	"encoding/json"
	"os"
)

func main() {
	var rows []struct {
		Secret, Body string
		Headers      map[string]string
	}
	text, _ := os.ReadFile(os.Args[1])
	json.Unmarshal(text, &rows)
	verdicts := []bool{}
	for _, row := range rows {
		header := func(name string) string { return row.Headers[name] }
		body, _ := hex.DecodeString(row.Body)
		verdicts = append(verdicts, verify(row.Secret, header, body))
	}
	json.NewEncoder(os.Stdout).Encode(verdicts)
}
"""
    program = write_program(messages, folder, "verify.go", page_code("go"))
    (folder / "main.go").write_text(calls)
    return run("go", "run", program, folder / "main.go", folder / "messages.json")


def java(messages: list[Message], folder: Path) -> list[bool]:
    lines = [
        "\t".join([secret, *(headers[name] or "-" for name in sorted(headers)), body.hex() or "-"])
        for secret, headers, body in messages
    ]
    (folder / "messages.tsv").write_text("\n".join(lines))
    calls = """
class Check {
    public static void main(String[] arguments) throws Exception {
        var verdicts = new java.util.ArrayList<Boolean>();
        for (String line : java.nio.file.Files.readAllLines(java.nio.file.Path.of(arguments[0]))) {
            String[] row = line.replace("\\t-", "\\t").split("\\t", -1);
            var headers = Map.of("webhook-id", row[1], "webhook-signature", row[2], "webhook-timestamp", row[3]);
            verdicts.add(Webhooks.verify(row[0], headers, java.util.HexFormat.of().parseHex(row[4])));
        }
        System.out.println(verdicts);
    }
}
"""
    imports, rest = page_code("java").split("\n\n", 1)
    program = write_program(messages, folder, "Check.java", f"{imports}\n{calls}\n{rest}")
    return run("java", program, folder / "messages.tsv")


def bash(messages: list[Message], folder: Path) -> list[bool]:
    calls = '\nif verify "$@"; then echo [true]; else echo [false]; fi\n'
    program = write_program([], folder, "verify.sh", page_code("bash") + calls)
    verdicts = []
    for secret, headers, body in messages:
        (folder / "body").write_bytes(body)
        given = [headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
        verdicts += run("bash", program, secret, *given, folder / "body")
    return verdicts


LANGUAGES: dict[str, Check] = {"python": python, "node": node, "go": go, "java": java, "bash": bash}
NEEDED = {"java": "javac"}
INSTALLED = [name for name in LANGUAGES if name == "python" or shutil.which(NEEDED.get(name, name))]


@pytest.mark.parametrize("language", INSTALLED)
def test_verify_on_the_page_accepts_our_signatures_only(language: str, tmp_path: Path) -> None:
    verdicts = LANGUAGES[language]([*valid_messages(), *invalid_messages()], tmp_path)
    assert verdicts == [True] * len(valid_messages()) + [False] * len(invalid_messages())


@pytest.mark.parametrize("language", [it for it in INSTALLED if it in ("python", "node")])
def test_verify_with_a_public_key_accepts_our_signatures_only(language: str, tmp_path: Path) -> None:
    (private, public), (_, other) = new_keypair(), new_keypair()
    good, v1 = sign_headers(private), sign_headers()
    wrong = base64.b64encode(bytes(64)).decode()
    valid: list[Message] = [
        (public, good, BODY),
        (public, with_both_signatures(good, v1), BODY),
        (public, with_both_signatures(good, sign_headers(new_keypair()[0])), BODY),
    ]
    invalid: list[Message] = [
        (other, good, BODY),
        (public, good, BODY + b" "),
        (public, v1, BODY),
        (public, sign_headers(private, age=3600), BODY),
        (public, {**good, "webhook-id": "msg_2"}, BODY),
        (public, {**good, "webhook-timestamp": "soon"}, BODY),
        (public, {**good, "webhook-signature": ""}, BODY),
        (public, {**good, "webhook-signature": "v1a,"}, BODY),
        (public, {**good, "webhook-signature": f"v1a,{wrong}"}, BODY),
        (public, {**good, "webhook-signature": good["webhook-signature"].replace("v1a,", "v1,")}, BODY),
    ]
    if language == "python":
        verdicts = python([*valid, *invalid], tmp_path, "python v1a")
    else:
        verdicts = node([*valid, *invalid], tmp_path, "javascript v1a")
    assert verdicts == [True] * len(valid) + [False] * len(invalid)
