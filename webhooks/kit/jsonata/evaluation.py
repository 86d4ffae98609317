"""Parse and evaluate expressions with ``jsonata-python``, each as if it was the first.

The library keeps state in modules and in what it has parsed: the expression that was parsed last, whose time ``$now``
returns; the names of built-in functions, which a variable may change; the variables of an earlier evaluation. All of
it is set anew, so that an evaluation neither sees nor changes another.
"""

import json
from collections import OrderedDict
from typing import Any

from jsonata.jexception import JException
from jsonata.jsonata import Jsonata
from jsonata.utils import Utils

from webhooks.kit.jsonata.frames import MAX_RESULT, Outcome, Reply

MAX_PARSED = 500  # expressions
MAX_REASON = 500  # characters
MAX_DEPTH = 128  # levels of nesting in a result
OWN_MESSAGES = ("D3137", "D3141")  # those of $error and $assert
NO_VALUE = "the expression failed for this event"


class _NotJson(ValueError):
    """The value of an expression cannot be written as JSON."""


class Evaluation:
    """Evaluate expressions, and keep those that were parsed, by owner."""

    def __init__(self) -> None:
        self._parsed: OrderedDict[tuple[bytes, str], Jsonata] = OrderedDict()
        self._names = [
            (function.signature, name)
            for name, function in Jsonata.static_frame.bindings.items()
            if getattr(function, "signature", None) is not None
        ]

    def check(self, expression: str) -> Reply:
        """Return NOTHING if the expression can be parsed, else INVALID."""
        try:
            _parse(expression)
        except MemoryError:
            raise
        except Exception as error:
            return Reply(Outcome.INVALID, _reason(error, expression))
        return Reply(Outcome.NOTHING)

    def evaluate(self, owner: bytes, expression: str, document: bytes) -> Reply:
        """Return the value of an expression for a document, which is JSON."""
        try:
            parsed = self._of(owner, expression)
            Jsonata.CURRENT.jsonata = parsed
            value = parsed.evaluate(json.loads(document), {})
            return _written(value)
        except MemoryError:
            raise
        except Exception as error:
            self._parsed.pop((owner, expression), None)
            return Reply(Outcome.FAILED, _reason(error, expression))
        finally:
            self._restore()

    def forget(self) -> None:
        """Drop what was parsed, and a parser that may have been interrupted."""
        self._parsed.clear()
        Jsonata.PARSER.__dict__.clear()

    def _of(self, owner: bytes, expression: str) -> Jsonata:
        key = owner, expression
        parsed = self._parsed.pop(key, None) or _parse(expression)
        self._parsed[key] = parsed
        if len(self._parsed) > MAX_PARSED:
            self._parsed.popitem(last=False)
        return parsed

    def _restore(self) -> None:
        for signature, name in self._names:
            signature.set_function_name(name)


def _parse(expression: str) -> Jsonata:
    try:
        parsed = Jsonata(expression)
    except BaseException:
        Jsonata.PARSER.__dict__.clear()
        raise
    parsed.set_validate_input(False)
    parsed.set_output_convert_nulls(False)
    return parsed


def _written(value: Any) -> Reply:
    """Return a value as its JSON, or a string as it is."""
    if value is None:
        return Reply(Outcome.NOTHING)
    outcome = Outcome.TEXT if isinstance(value, str) else Outcome.VALUE
    text = value if isinstance(value, str) else json.dumps(_plain(value), **_COMPACT)
    try:
        content = text.encode()
    except UnicodeEncodeError:
        raise _NotJson("the result contains a character that UTF-8 cannot encode") from None
    return Reply(outcome, content) if len(content) <= MAX_RESULT else Reply(Outcome.TOO_LARGE)


_COMPACT: dict[str, Any] = {"ensure_ascii": False, "allow_nan": False, "separators": (",", ":")}


def _plain(value: Any, depth: int = 0) -> Any:
    """Return a value in the types that json.dumps writes; the lists of the library have items that it does not see."""
    if value is Utils.NULL_VALUE:
        return None
    if value is None or isinstance(value, (str, int, float)):
        return value
    if depth == MAX_DEPTH:
        raise _NotJson(f"the result is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, dict):
        return {str(name): _plain(inner, depth + 1) for name, inner in value.items()}
    if isinstance(value, list):
        return [_plain(inner, depth + 1) for inner in value]
    raise _NotJson("the result contains a function; call it, or leave it out")


def _reason(error: Exception, expression: str) -> bytes:
    """Return what is wrong, in one sentence, with the place in the expression if it is known."""
    if isinstance(error, RecursionError):
        text = "it is nested too deeply, or a function calls itself without end"
    elif isinstance(error, JException):
        text = _message(error, expression)
    elif isinstance(error, _NotJson):
        text = str(error)
    else:
        text = f"a value does not fit: {error}" if isinstance(error, (ValueError, OverflowError)) else NO_VALUE
    return text[:MAX_REASON].encode("utf-8", "replace")


def _message(error: JException, expression: str) -> str:
    """Return the message of the library with its code, and with the character, counted from 1, where that is known."""
    if error.error in OWN_MESSAGES:
        return str(error)
    place = ""
    if 0 < error.location <= len(expression):
        place = f" at character {error.location}"
    known = error.error in JException.error_codes
    return f"{error}{place} ({error.error})" if known else f"{NO_VALUE}{place}"
