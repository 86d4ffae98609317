"""Serve the commands to coding assistants by the Model Context Protocol (2025-06-18), over standard input and output.

Each command is a tool. Without ``--write`` only those that change nothing are there.
"""

import argparse
import io
import json
import sys
from contextlib import redirect_stderr
from typing import Any, TextIO

from waypost_client.cli.command import COMMANDS, Command, Context, Differs
from waypost_client.cli.output import Output
from waypost_client.client import Client
from waypost_client.errors import WaypostError

VERSION = "2025-06-18"
METHOD_NOT_FOUND, INVALID_PARAMS = -32601, -32602


def serve(client: Client, *, may_write: bool, lines: TextIO = sys.stdin, answers: TextIO = sys.stdout) -> None:
    """Answer each message until the input ends."""
    tools = {it.name: it for it in COMMANDS.values() if it.has_end and (may_write or not it.changes)}
    for line in lines:
        message = json.loads(line)
        if "id" not in message:
            continue  # a notification
        answer = {"jsonrpc": "2.0", "id": message["id"], **_answer(message, tools, client)}
        print(json.dumps(answer), file=answers, flush=True)


def _answer(message: dict[str, Any], tools: dict[str, Command], client: Client) -> dict[str, Any]:
    parameters = message.get("params") or {}
    match message.get("method"):
        case "initialize":
            info = {"name": "waypost", "version": "0.1.0"}
            return {"result": {"protocolVersion": VERSION, "capabilities": {"tools": {}}, "serverInfo": info}}
        case "ping":
            return {"result": {}}
        case "tools/list":
            return {"result": {"tools": [_described(it) for it in tools.values()]}}
        case "tools/call":
            tool = tools.get(parameters.get("name", ""))
            if tool is None:
                return {"error": {"code": INVALID_PARAMS, "message": f"no tool {parameters.get('name')!r}"}}
            is_error, text = _called(tool, parameters.get("arguments") or {}, client)
            return {"result": {"content": [{"type": "text", "text": text}], "isError": is_error}}
    return {"error": {"code": METHOD_NOT_FOUND, "message": f"no method {message.get('method')!r}"}}


def _described(tool: Command) -> dict[str, Any]:
    properties, required = {}, []
    for names, options in tool.arguments:
        if names[0] == tool.confirm:
            continue
        name = names[0].lstrip("-")
        is_flag, is_number = options.get("action") == "store_true", options.get("type") is int
        kind = "boolean" if is_flag else "integer" if is_number else "string"
        properties[name] = {"type": kind, "description": options.get("help", "")}
        if not names[0].startswith("-") and options.get("nargs") != "?":
            required.append(name)
    schema = {"type": "object", "properties": properties, "required": required, "additionalProperties": False}
    return {
        "name": tool.name,
        "description": tool.help,
        "inputSchema": schema,
        "annotations": {"readOnlyHint": not tool.changes},
    }


def _called(tool: Command, given: dict[str, Any], client: Client) -> tuple[bool, str]:
    """Run a command with these arguments; return whether it failed, and what it printed."""
    parser = argparse.ArgumentParser(prog=tool.name, exit_on_error=False)
    words = [tool.confirm] if tool.confirm else []
    for names, options in tool.arguments:
        parser.add_argument(*names, **options)
        value = given.get(names[0].lstrip("-"))
        if value in (None, False):
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        words += [names[0]] if value is True else [names[0], text] if names[0].startswith("-") else [text]
    printed, noted = io.StringIO(), io.StringIO()
    try:
        with redirect_stderr(noted):
            tool.run(Context(parser.parse_args(words), client, Output(as_json=True, stream=printed)))
    except Differs:
        pass
    except (WaypostError, ValueError, OSError, argparse.ArgumentError) as error:
        return True, f"{printed.getvalue()}{noted.getvalue()}{error}"
    except SystemExit:  # wrong arguments, which the parser has noted
        return True, noted.getvalue()
    return False, f"{printed.getvalue()}{noted.getvalue()}" or "done"
