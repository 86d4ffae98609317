"""One word and one shape for one thing over the whole API: see docs/why/one-dialect.md."""

import re
from typing import Any

import pytest

from tests.api.operations import description
from tests.test_words import retired

# A pattern of names that may not come back, in paths, parameters, properties and operation ids, and the word in use.
RETIRED = {
    r"recover\w*|reprocess\w*": "replay, retry, resend",
    r"cancellations?": "cancel",
    r"rotations?": "rotate; POST to secrets/",
    r"paused|is_active": "state",
    r"search|query": "q",
    r"answer\w*": "response",
    r"lane": "status",
    r"trial": "test",
    r"consent": "verification",
    r"totals": "total, data",
    r"granted|taken|told": "accepted, verified",
    r"tags?": "labels",
    r"external_id|ext_id|reference_id": "uid",
    r"starts_at|from_at": "begins_at",
}


def names() -> list[tuple[str, str]]:
    """Return each name of the document with where it stands."""
    found = [("path", step) for path in description()["paths"] for step in path.split("/")]
    for path, item in description()["paths"].items():
        for method, operation in item.items():
            found += [(f"{method} {path}", it["name"]) for it in operation.get("parameters", ()) if "name" in it]
            found.append((f"{method} {path}", operation["operationId"]))
    for component, schema in description()["components"]["schemas"].items():
        found += [(component, name) for name in properties_of(schema)]
    return found


def properties_of(node: Any) -> list[str]:
    """Return the names of the properties in a schema, at any depth."""
    if isinstance(node, list):
        return [name for inner in node for name in properties_of(inner)]
    if not isinstance(node, dict):
        return []
    own = list(node["properties"]) if isinstance(node.get("properties"), dict) else []
    return own + [name for inner in node.values() for name in properties_of(inner)]


def operation(method: str, path: str) -> dict[str, Any]:
    """Return an operation of the document."""
    found: dict[str, Any] = description()["paths"][f"/api/v1/{path}"][method]
    return found


def schema_name(method: str, path: str, status: str = "200") -> str:
    """Return the name of the component that an operation responds with."""
    content = operation(method, path)["responses"][status]["content"]["application/json"]
    return str(content["schema"]["$ref"]).rpartition("/")[2]


def filters(path: str) -> set[str]:
    return {it["name"] for it in operation("get", path)["parameters"] if it["in"] == "query"}


@pytest.mark.parametrize(("pattern", "instead"), {**RETIRED, **retired()}.items())
def test_retired_word_names_nothing(pattern: str, instead: str) -> None:
    word = re.compile(rf"(?<![a-z])({pattern})(?![a-z])")
    used = [f"{where}: {name}" for where, name in names() if word.search(name.replace("_", " ").replace("-", " "))]
    used += [f"{where}: {name}" for where, name in names() if word.fullmatch(name)]
    assert not used, f"say {instead}: {sorted(set(used))}"


@pytest.mark.parametrize("path", ["endpoints", "sources"])
def test_what_a_tenant_sets_up_has_the_same_operations(path: str) -> None:
    paths = description()["paths"]
    assert {"get", "post"} <= paths[f"/api/v1/{path}"].keys()
    assert {"get", "put", "patch", "delete"} <= paths[f"/api/v1/{path}/{{ref}}"].keys()
    assert {"get", "post"} <= paths[f"/api/v1/{path}/{{ref}}/secrets"].keys()
    assert {"get", "delete"} <= paths[f"/api/v1/{path}/{{ref}}/secrets/{{id}}"].keys()
    assert "get" in paths[f"/api/v1/{path}/{{ref}}/stats"]
    assert "post" in paths[f"/api/v1/{path}/{{ref}}/test"]
    assert {"200", "201"} <= operation("put", f"{path}/{{ref}}")["responses"].keys()


@pytest.mark.parametrize("path", ["endpoints", "sources"])
def test_what_a_tenant_sets_up_has_the_same_filters(path: str) -> None:
    assert {"uid", "url", "state", "labels", "q", "since", "until", "order", "limit", "cursor"} <= filters(path)


@pytest.mark.parametrize("path", ["deliveries", "dead-letters", "receipts"])
def test_what_was_sent_and_received_has_the_same_filters(path: str) -> None:
    assert {"state", "labels", "q", "since", "until", "order", "limit", "cursor"} <= filters(path)


def test_statistics_of_endpoints_and_sources_have_one_shape() -> None:
    for kind in ("endpoints", "sources"):
        shape = description()["components"]["schemas"][schema_name("get", f"{kind}/{{ref}}/stats")]["properties"]
        hour = shape["data"]["items"]["$ref"].rpartition("/")[2]
        assert {"total", "data"} <= shape.keys()
        assert "begins_at" in description()["components"]["schemas"][hour]["properties"]


def test_bulk_changes_and_their_previews_have_one_shape() -> None:
    changes = ("deliveries/cancel", "endpoints/delete", "subscriptions/delete")
    assert {schema_name("post", path) for path in changes} == {"BulkResult"}
    previews = (*changes, "broadcasts", "receipt-replays")
    assert {schema_name("post", f"{path}/preview") for path in previews} == {"SelectionCount"}
    count, replay = (description()["components"]["schemas"][it] for it in ("SelectionCount", "ReplayPreview"))
    assert count["properties"].keys() < replay["properties"].keys()


def test_one_row_is_changed_by_a_verb_that_returns_it() -> None:
    for path, kind in (
        ("deliveries/{ref}/cancel", "Delivery"),
        ("deliveries/{ref}/retry", "Delivery"),
        ("deliveries/{ref}/resend", "Delivery"),
        ("deliveries/{ref}/set-aside", "Delivery"),
        ("dead-letters/{ref}/replay", "DeadLetter"),
        ("dead-letters/{ref}/discard", "DeadLetter"),
        ("dead-letters/{ref}/acknowledge", "DeadLetter"),
        ("dead-letter-jobs/{ref}/cancel", "DeadLetterJob"),
        ("receipts/{ref}/replay", "Receipt"),
        ("receipts/{ref}/retry", "Receipt"),
        ("replays/{ref}/cancel", "Replay"),
        ("receipt-replays/{ref}/cancel", "ReceiptReplay"),
        ("broadcasts/{ref}/cancel", "Broadcast"),
        ("erasures/{ref}/cancel", "Erasure"),
    ):
        assert schema_name("post", path) == kind


def test_paths_name_a_resource_by_ref_and_what_is_below_it_by_id() -> None:
    for path in description()["paths"]:
        given = re.findall(r"\{(\w+)\}", path)
        if path.split("/")[3] not in ("data", "verification-callbacks"):  # signed links, made by Waypost
            assert given in ([], ["ref"], ["ref", "id"], ["ref", "attempt"]), path  # an attempt has a number, no id
