"""Test which handlers match which sources and patterns."""

import orjson
import pytest
from django.apps import apps
from django.core.checks.registry import registry

from tests.bodies import store_body
from tests.factories_receiver import make_receipt, make_source
from tests.webhooks.handlers_of_tests import fail, succeed
from tests.webhooks.wire.envelopes import samples
from webhooks.kit.bodies.claim_check import INLINE_MAX
from webhooks.processing.handler_registry import check_handlers, handler_paths
from webhooks.processing.handlers import UnknownHandler, handles, log_receipt, matching_rules
from webhooks.wire.ids import new_id
from webhooks.wire.patterns import InvalidPattern

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("receiver", "rules")]

HERE = "tests.webhooks.handlers_of_tests"


def functions(receipt) -> list[object]:
    return [rule.function for rule in matching_rules(receipt)]


@pytest.mark.parametrize(
    ("pattern", "matches"),
    [
        (None, True),
        ({"type": ["order.paid"]}, True),
        ({"type": [{"prefix": "order."}]}, True),
        ({"data": {"data": {"total": [{"numeric": [">", 2]}]}}}, True),
        ({"source": ["shop"]}, True),
        ({"type": ["order.cancelled"]}, False),
        ({"data": {"nothing": ["here"]}}, False),
    ],
)
def test_pattern_matches_type_source_and_data(pattern, matches: bool) -> None:
    handles("shop", pattern)(succeed)
    body = b'{"type":"order.paid","data":{"total":3}}'
    receipt = make_receipt(make_source(uid="shop"), body=body, event_type="order.paid")
    assert functions(receipt) == ([succeed] if matches else [])


@pytest.mark.parametrize("envelope", ["auto", "eventbridge"])
def test_pattern_for_eventbridge_matches_its_events_in_code_and_in_rows(envelope: str) -> None:
    pattern = {"detail-type": [{"prefix": "EC2 "}], "detail": {"state": ["terminated"]}}
    other = {**pattern, "detail": {"state": ["running"]}}
    handles("shop", pattern)(succeed)
    handles("shop", other)(fail)
    rows = [{"handler": "log", "pattern": pattern}, {"handler": "publish", "pattern": other}]
    source = make_source(uid="shop", envelope=envelope, handlers=rows)
    assert functions(make_receipt(source, body=orjson.dumps(samples.EVENTBRIDGE))) == [log_receipt, succeed]


def test_handles_registers_by_uid_by_id_or_for_all() -> None:
    source = make_source(uid="shop")
    handles("shop")(succeed)
    handles(source.public_id)(fail)
    handles()(log_receipt)
    assert functions(make_receipt(source)) == [succeed, fail, log_receipt]
    assert functions(make_receipt(make_source())) == [log_receipt]


def test_uid_of_a_tenants_source_names_no_handler_of_the_installation() -> None:
    handles("shop")(succeed)
    handles("*", {"source": ["shop"]})(fail)
    source = make_source(uid="shop", tenant_id=new_id())
    assert functions(make_receipt(source)) == []
    handles(source.public_id, {"source": [source.public_id]})(log_receipt)
    assert functions(make_receipt(source)) == [log_receipt]


def test_matching_rules_has_the_handlers_of_the_source_first_and_each_function_once(settings) -> None:
    settings.WAYPOST_HANDLERS = {"ok": f"{HERE}.succeed", "bad": f"{HERE}.fail"}
    source = make_source(handlers=[{"handler": "bad", "pattern": {"type": ["a.b"]}}, {"handler": "ok"}])
    handles()(succeed)
    assert functions(make_receipt(source)) == [fail, succeed]
    assert functions(make_receipt(source, event_type="c")) == [succeed]


def test_matching_rules_of_a_body_in_storage_are_those_for_its_data() -> None:
    handles("*", {"type": ["big"]})(succeed)
    handles("*", {"data": {"x": [1]}})(fail)
    stored = store_body(iter([b'{"x":1,"y":"' + b"z" * INLINE_MAX, b'"}']), new_id(), lambda chunk: None)
    receipt = make_receipt(body=None, body_key=stored.key, size=stored.size, event_type="big")
    assert functions(receipt) == [succeed, fail]


def test_handler_not_in_the_setting_is_never_imported() -> None:
    with pytest.raises(UnknownHandler):
        matching_rules(make_receipt(make_source(handlers=[{"handler": "os.abort"}])))


def test_handler_in_the_setting_may_be_named_by_its_path(settings) -> None:
    settings.WAYPOST_HANDLERS = {f"{HERE}.succeed": f"{HERE}.succeed"}
    assert functions(make_receipt(make_source(handlers=[{"handler": f"{HERE}.succeed"}]))) == [succeed]


def test_built_in_handler_of_an_app_not_installed_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "publish" in handler_paths()
    monkeypatch.setattr(apps, "is_installed", lambda name: name == "webhooks")
    assert handler_paths() == {"log": "webhooks.processing.handlers.log_receipt"}


def test_handles_with_an_invalid_pattern_raises() -> None:
    with pytest.raises(InvalidPattern):
        handles("*", {"type": "not a list"})(succeed)


def test_system_check_finds_a_path_that_names_no_function(settings) -> None:
    settings.WAYPOST_HANDLERS = {"lost": "no.such.module.function", "text": f"{HERE}.__doc__", "publish": ""}
    problems = " ".join(problem.msg for problem in check_handlers())
    assert check_handlers in registry.registered_checks
    assert "'lost'" in problems
    assert "'text'" in problems
    assert "'log'" not in problems


def test_log_handler_logs_the_receipt_without_its_content(caplog) -> None:
    with caplog.at_level("INFO"):
        log_receipt(make_receipt(body=b'{"type":"a.b","card":"4111"}'))
    assert "a.b" in caplog.text
    assert "4111" not in caplog.text
