"""Test that the code on the page for receivers accepts our signatures and rejects others, in every language.

A language is tested where its compiler or interpreter is installed.
"""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from webhooks.wire.signing.standard_webhooks import new_secret, sign

PAGE = Path(__file__).resolve().parent.parent / "docs" / "how-to" / "receive-our-webhooks.md"
BODY = '{"specversion":"1.0","type":"order.paid","data":{"name":"Zoë","total":42}}\n'.encode()
SECRET, OTHER = new_secret(), new_secret()

Message = tuple[str, dict[str, str], bytes]


def shown(language: str) -> str:
    """Return the code block of this language on the page."""
    (found,) = re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return str(found)


def signed(secret: str = SECRET, body: bytes = BODY, age: int = 0) -> dict[str, str]:
    moment = int(time.time()) - age
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(moment),
        "webhook-signature": sign(secret, "msg_1", moment, body),
    }


def both(first: dict[str, str], second: dict[str, str]) -> dict[str, str]:
    return {**first, "webhook-signature": f"{second['webhook-signature']} {first['webhook-signature']}"}


def good() -> list[Message]:
    return [
        (SECRET, signed(), BODY),
        (SECRET, both(signed(), signed(OTHER)), BODY),
        (OTHER, both(signed(), signed(OTHER)), BODY),
        (SECRET, signed(body=b"{}"), b"{}"),
    ]


def bad() -> list[Message]:
    return [
        (OTHER, signed(), BODY),
        (SECRET, signed(), BODY + b" "),
        (SECRET, signed(age=3600), BODY),
        (SECRET, signed(age=-3600), BODY),
        (SECRET, {**signed(), "webhook-id": "msg_2"}, BODY),
        (SECRET, {**signed(), "webhook-timestamp": "soon"}, BODY),
        (SECRET, {**signed(), "webhook-signature": "v1,"}, BODY),
        (SECRET, {**signed(), "webhook-signature": signed()["webhook-signature"].replace("v1,", "v2,")}, BODY),
        (SECRET, {**signed(), "webhook-signature": ""}, BODY),
    ]


Ask = Callable[[list[Message], Path], list[bool]]


def answers(*command: str | Path) -> list[bool]:
    """Write a program that reads messages.json and prints its verdicts as a JSON list."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    verdicts: list[bool] = json.loads(done.stdout)
    return verdicts


def written(messages: list[Message], folder: Path, name: str, text: str) -> Path:
    rows = [{"secret": secret, "headers": headers, "body": body.hex()} for secret, headers, body in messages]
    (folder / "messages.json").write_text(json.dumps(rows))
    (folder / name).write_text(text)
    return folder / name


def python(messages: list[Message], folder: Path) -> list[bool]:
    asks = """
import json, pathlib, sys
rows = json.loads(pathlib.Path(sys.argv[1]).read_text())
print(json.dumps([verify(row["secret"], row["headers"], bytes.fromhex(row["body"])) for row in rows]))
"""
    program = written(messages, folder, "verify.py", shown("python") + asks)
    return answers(sys.executable, program, folder / "messages.json")


def node(messages: list[Message], folder: Path) -> list[bool]:
    asks = """
const rows = JSON.parse(require("node:fs").readFileSync(process.argv[2]));
console.log(JSON.stringify(rows.map((row) => verify(row.secret, row.headers, Buffer.from(row.body, "hex")))));
"""
    program = written(messages, folder, "verify.js", shown("javascript") + asks)
    return answers("node", program, folder / "messages.json")


def go(messages: list[Message], folder: Path) -> list[bool]:
    asks = """
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
    program = written(messages, folder, "verify.go", shown("go"))
    (folder / "main.go").write_text(asks)
    return answers("go", "run", program, folder / "main.go", folder / "messages.json")


def java(messages: list[Message], folder: Path) -> list[bool]:
    lines = [
        "\t".join([secret, *(headers[name] or "-" for name in sorted(headers)), body.hex() or "-"])
        for secret, headers, body in messages
    ]
    (folder / "messages.tsv").write_text("\n".join(lines))
    asks = """
class Ask {
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
    imports, rest = shown("java").split("\n\n", 1)
    program = written(messages, folder, "Ask.java", f"{imports}\n{asks}\n{rest}")
    return answers("java", program, folder / "messages.tsv")


def bash(messages: list[Message], folder: Path) -> list[bool]:
    asks = '\nif verify "$@"; then echo [true]; else echo [false]; fi\n'
    program = written([], folder, "verify.sh", shown("bash") + asks)
    verdicts = []
    for secret, headers, body in messages:
        (folder / "body").write_bytes(body)
        given = [headers[f"webhook-{name}"] for name in ("id", "timestamp", "signature")]
        verdicts += answers("bash", program, secret, *given, folder / "body")
    return verdicts


LANGUAGES: dict[str, Ask] = {"python": python, "node": node, "go": go, "java": java, "bash": bash}
NEEDED = {"java": "javac"}
HERE = [name for name in LANGUAGES if name == "python" or shutil.which(NEEDED.get(name, name))]


@pytest.mark.parametrize("language", HERE)
def test_verify_on_the_page_accepts_our_signatures_only(language: str, tmp_path: Path) -> None:
    verdicts = LANGUAGES[language]([*good(), *bad()], tmp_path)
    assert verdicts == [True] * len(good()) + [False] * len(bad())
