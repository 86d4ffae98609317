"""Compile a transformer once, strictly, and render one body per event."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from webhooks.wire.media_types import is_content_type
from webhooks.wire.step_budget import UNLIMITED, StepBudget
from webhooks.wire.transform.errors import InvalidTransformer, Unrenderable
from webhooks.wire.transform.limits import (
    COPIED_PER_STEP,
    ESCAPED_PER_STEP,
    MAX_RENDERED,
    TEXT_PER_STEP,
    WRITTEN_PER_STEP,
)
from webhooks.wire.transform.paths import InputPaths, PathStep, parse_path
from webhooks.wire.transform.template import Placeholder, Template, is_json_text, write_escaped, write_value
from webhooks.wire.transform.texts import compile_texts

MAX_PATHS = 100

PAYLOAD = frozenset({"data", "data_base64", "detail"})
CONTEXT = frozenset({"aws.events.rule-arn", "aws.events.rule-name", "aws.events.event.ingestion-time"})
WHOLE_EVENT = frozenset({"aws.events.event", "aws.events.event.json"})
RESERVED = CONTEXT | WHOLE_EVENT

_NAME = re.compile(r"[A-Za-z0-9_-]{1,256}")


class Transformer:
    """Compiled input paths, named texts and a template.

    ``input_paths`` maps up to 100 names of letters, digits, ``-`` and ``_`` to paths. ``template`` uses these names,
    those of ``texts`` (see ``texts``) and the reserved ones as ``<name>``, or a path itself: ``<$.data.id>``.
    ``content_type``: of what it renders; None: it follows from that. Raises InvalidTransformer.
    """

    __slots__ = ("_paths", "_template", "_texts", "content_type")

    def __init__(
        self,
        input_paths: Mapping[str, str],
        template: str,
        content_type: str | None = None,
        texts: Mapping[str, Any] | None = None,
    ) -> None:
        if content_type is not None and not is_content_type(content_type):
            raise InvalidTransformer("/content_type", "takes a media type, like text/csv; charset=utf-8")
        self.content_type = content_type
        if not isinstance(input_paths, Mapping) or len(input_paths) > MAX_PATHS:
            raise InvalidTransformer("/input_paths", f"takes an object of at most {MAX_PATHS} names and paths")
        paths = {name: _compile_path(name, text) for name, text in input_paths.items()}
        known = compile_texts(texts, paths) if texts else {}
        self._template = Template(template)
        self._texts = {it.name: known[it.name] for it in self._template.placeholders if it.name in known}
        used: dict[str, tuple[PathStep, ...]] = {}
        for piece in self._template.placeholders:
            if piece.name.startswith("$"):
                paths[piece.name] = parse_path(piece.name, "/template")
            _check_placeholder(piece, paths.keys() | known.keys())
            if piece.name in paths:
                used[piece.name] = paths[piece.name]
        for text in self._texts.values():
            paths |= text.paths
            used |= {name: paths[name] for name in text.names}
        if len(paths) > MAX_PATHS:
            raise InvalidTransformer("/template", f"uses more than {MAX_PATHS} paths")
        self._paths = InputPaths(used)

    def render(
        self,
        event: dict[str, Any],
        budget: StepBudget | None = None,
        *,
        rule_arn: str = "",
        rule_name: str = "",
        ingestion_time: str = "",
    ) -> bytes:
        """Render the body for this event, in UTF-8. Raises Unrenderable, and BudgetExceeded if there is a budget.

        The keyword arguments are the values of ``<aws.events.rule-arn>``, ``<aws.events.rule-name>`` and
        ``<aws.events.event.ingestion-time>``.
        """
        budget = UNLIMITED if budget is None else budget
        values = self._paths.find(event, budget)
        values |= {
            "aws.events.rule-arn": rule_arn,
            "aws.events.rule-name": rule_name,
            "aws.events.event.ingestion-time": ingestion_time,
            "aws.events.event.json": event,
        }
        try:
            for name, text in self._texts.items():
                values[name] = text.render(values, budget)
            body = self._write(event, values, budget)
        except RecursionError:
            raise Unrenderable("a value is nested too deeply to be written as JSON") from None
        except Unrenderable:
            raise
        except (TypeError, ValueError) as error:
            raise Unrenderable(f"a value cannot be written as JSON in UTF-8: {error}") from error
        if self._template.can_break:
            budget.spend(len(body) // WRITTEN_PER_STEP)
            if not is_json_text(body.decode()):
                raise Unrenderable("the result is not JSON: a name in an object must be a string")
        return body

    def _write(self, event: dict[str, Any], values: dict[str, Any], budget: StepBudget) -> bytes:
        parts: list[bytes] = []
        written: dict[Placeholder, bytes] = {}
        size = 0
        for piece in self._template.pieces:
            if isinstance(piece, str):
                part = piece.encode()
            elif piece in written:
                part = written[piece]
                budget.spend(len(part) // COPIED_PER_STEP)
            else:
                value = _without_payload(event) if piece.name == "aws.events.event" else values[piece.name]
                part = written[piece] = piece.write(value).encode()
                budget.spend(len(part) // _bytes_per_step(piece, value))
            size += len(part)
            if size > MAX_RENDERED:
                raise Unrenderable(f"the result is larger than {MAX_RENDERED} bytes")
            budget.spend(1)
            parts.append(part)
        return b"".join(parts)


def _bytes_per_step(piece: Placeholder, value: Any) -> int:
    if not isinstance(value, (dict, list)):
        return ESCAPED_PER_STEP
    return WRITTEN_PER_STEP if piece.write in (write_value, write_escaped) else TEXT_PER_STEP


def _without_payload(event: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in event.items() if name not in PAYLOAD}


def _compile_path(name: Any, text: Any) -> tuple[PathStep, ...]:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidTransformer(
            "/input_paths", f"{name!r} is not a name; use 1 to 256 letters, digits, hyphens and underscores"
        )
    return parse_path(text, f"/input_paths/{name}")


def _check_placeholder(placeholder: Placeholder, known: Collection[str]) -> None:
    name = placeholder.name
    if name in WHOLE_EVENT and placeholder.write is not write_value:
        raise InvalidTransformer("/template", f"<{name}> is an object and is only allowed as a JSON value")
    if name not in known and name not in RESERVED:
        raise InvalidTransformer(
            "/template", f"<{name}> is not an input path; add it, or write a literal < as \\u003c in JSON"
        )
