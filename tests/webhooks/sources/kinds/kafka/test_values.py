"""Test how values find their schemas, on records of a mock cluster and an HTTP server as the registry."""

import io
import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import fastavro
import pytest

from tests.webhooks.sources.kinds.aws.conftest import aws, aws_url
from tests.webhooks.sources.kinds.kafka.conftest import settings_of
from tests.webhooks.sources.kinds.kafka.registry_server import RegistryServer, registry_server
from tests.webhooks.sources.kinds.reading import connection_to, errors, make_due, read_once, read_source, read_until
from webhooks.models import Receipt
from webhooks.sources.kinds.kafka import values
from webhooks.sources.kinds.kafka.source import Kafka
from webhooks.sources.kinds.kafka.values import Undecodable, ValueDecoder
from webhooks.sources.kinds.kind import InvalidSettings, SourceUnavailable

ORDER = {
    "type": "record",
    "name": "Order",
    "fields": [{"name": "id", "type": "string"}, {"name": "price", "type": "shop.Money"}],
}
MONEY = {"type": "record", "name": "shop.Money", "fields": [{"name": "cents", "type": "long"}]}
ORDER_DATA = b"\x04o1\x0e"
ORDER_JSON = {"id": "o1", "price": {"cents": 7}}
PROTO = """syntax = "proto3"; package shop; import "money.proto";
message Other {} message Order { string id = 1; Money price = 2; }"""
MONEY_PROTO = 'syntax = "proto3"; package shop; message Money { int64 cents = 1; }'
PROTO_DATA = b"\x0a\x02o1\x12\x02\x08\x07"
GUID = UUID("0a0a0a0a-0000-4000-8000-000000000001")


@pytest.fixture
def registry() -> Iterator[RegistryServer]:
    with registry_server() as server:
        yield server


def decoder(registry: RegistryServer | None = None, form: str = "confluent", **settings: Any) -> ValueDecoder:
    given = {"bootstrap_servers": "a", "topic": "t", "tls": False, "values": form, **settings}
    if registry is not None:
        given["registry_url"] = f"{registry.url}/"
    return ValueDecoder(connection_to(Kafka(), given, {"registry_password": "geheim"}))


def json_of(decoder: ValueDecoder, data: bytes, headers: dict[str, bytes] | None = None) -> Any:
    value = decoder.decode(data, headers or {})
    assert value.content_type == "application/json"
    return json.loads(value.body)


__all__ = ["aws", "aws_url"]  # fixtures
pytestmark = pytest.mark.usefixtures("loopback")


def confluent_avro(registry: RegistryServer) -> None:
    registry.responses["/schemas/ids/7"] = {
        "schema": json.dumps(ORDER),
        "references": [{"name": "shop.Money", "subject": "money/x", "version": 2}],
    }
    registry.responses["/subjects/money%2Fx/versions/2"] = {"schema": json.dumps(MONEY)}


def test_confluent_avro_with_references_is_decoded_and_its_schema_fetched_once(registry):
    confluent_avro(registry)
    for _ in range(3):
        assert json_of(decoder(registry), b"\0" + struct.pack(">I", 7) + ORDER_DATA) == ORDER_JSON
    assert registry.calls == ["/schemas/ids/7", "/subjects/money%2Fx/versions/2"]


def test_confluent_guid_in_a_header_is_decoded(registry):
    registry.responses[f"/schemas/guids/{GUID}"] = {"schema": '"string"'}
    assert json_of(decoder(registry), b"\x04ab", {"__value_schema_id": b"\x01" + GUID.bytes}) == "ab"


def test_confluent_protobuf_is_decoded_by_its_indexes(registry):
    registry.responses["/schemas/ids/8"] = {
        "schema": PROTO,
        "schemaType": "PROTOBUF",
        "references": [{"name": "money.proto", "subject": "money", "version": 1}],
    }
    registry.responses["/subjects/money/versions/1"] = {"schema": MONEY_PROTO, "schemaType": "PROTOBUF"}
    data = b"\0" + struct.pack(">I", 8) + b"\x02\x02" + PROTO_DATA
    assert json_of(decoder(registry), data) == {"id": "o1", "price": {"cents": "7"}}


def test_confluent_json_schema_is_the_json_behind_the_id(registry):
    registry.responses["/schemas/ids/9"] = {"schema": "{}", "schemaType": "JSON"}
    assert decoder(registry).decode(b'\0\0\0\0\x09{"n": 1.10}', {}).body == b'{"n": 1.10}'
    with pytest.raises(Undecodable, match="not JSON"):
        decoder(registry).decode(b"\0\0\0\0\x09{", {})


def test_registry_is_called_with_user_and_password(registry):
    confluent_avro(registry)
    json_of(decoder(registry, registry_username="u"), b"\0" + struct.pack(">I", 7) + ORDER_DATA)
    assert set(registry.authorizations) == {"Basic dTpnZWhlaW0="}


def test_apicurio_ids_stand_in_the_value_or_in_headers(registry):
    registry.headers = {"X-Registry-ArtifactType": "AVRO"}
    registry.responses["/apis/registry/v2/ids/globalIds/5"] = ORDER
    registry.responses["/apis/registry/v2/ids/globalIds/5/references"] = [
        {"groupId": None, "artifactId": "money", "version": "1", "name": "shop.Money"}
    ]
    registry.responses["/apis/registry/v2/groups/default/artifacts/money/versions/1"] = MONEY
    registry.responses["/apis/registry/v2/ids/contentIds/6"] = '"string"'
    registry.responses["/apis/registry/v2/ids/contentIds/6/references"] = []
    found = decoder(registry, "apicurio")
    assert json_of(found, b"\0" + struct.pack(">q", 5) + ORDER_DATA) == ORDER_JSON
    assert json_of(found, ORDER_DATA, {"apicurio.value.globalid": struct.pack(">q", 5)}) == ORDER_JSON
    assert json_of(found, b"\x04ab", {"apicurio.value.contentid": struct.pack(">q", 6)}) == "ab"


def test_apicurio_3_has_content_ids_of_four_bytes(registry):
    registry.responses["/apis/registry/v3/ids/contentIds/6"] = json.dumps({"type": "string"})
    registry.responses["/apis/registry/v3/ids/contentIds/6/references"] = []
    assert json_of(decoder(registry, "apicurio3"), b"\0\0\0\0\x06\x04ab") == "ab"


@pytest.mark.parametrize("compression", [0, 5])
def test_glue_header_names_a_schema_of_the_settings(compression):
    found = decoder(form="glue", schemas={str(GUID).upper(): {"type": "string"}})
    data = zlib.compress(b"\x04ab") if compression else b"\x04ab"
    assert json_of(found, bytes([3, compression]) + GUID.bytes + data) == "ab"


def test_glue_schema_is_fetched_from_its_api(aws: Any, aws_url: str):
    glue, name = aws("glue"), uuid4().hex
    glue.create_registry(RegistryName=name)
    made = glue.create_schema(
        RegistryId={"RegistryName": name},
        SchemaName="order",
        DataFormat="AVRO",
        Compatibility="NONE",
        SchemaDefinition=json.dumps(MONEY),
    )
    keys = {"registry_access_key_id": "AKIA", "registry_secret_access_key": "geheim"}
    given = {"bootstrap_servers": "a", "topic": "t", "tls": False, "values": "glue"}
    given |= {"registry_region": "eu-north-1", "registry_url": aws_url}
    found = ValueDecoder(connection_to(Kafka(), given, keys))
    assert json_of(found, b"\x03\x00" + UUID(made["SchemaVersionId"]).bytes + b"\x0e") == {"cents": 7}
    with pytest.raises(Undecodable):
        found.decode(b"\x03\x00" + uuid4().bytes + b"\x0e", {})
    with pytest.raises(InvalidSettings) as caught:
        connection_to(Kafka(), given, {})
    assert set(caught.value.problems) == {f"credentials.{it}" for it in keys}


@pytest.mark.parametrize(
    ("response", "setting"),
    [(500, "settings.registry_url"), ({"SchemaDefinition": 7}, None), ("nonsense", "settings.registry_url")],
)
def test_glue_that_fails_makes_the_source_unavailable_and_nonsense_a_fault_of_the_record(
    registry: RegistryServer, response: Any, setting: str | None
):
    registry.responses["/"] = response
    given = {"bootstrap_servers": "a", "topic": "t", "tls": False, "values": "glue"}
    given |= {"registry_region": "eu-north-1", "registry_url": f"{registry.url}/"}
    keys = {"registry_access_key_id": "AKIA", "registry_secret_access_key": "geheim"}
    found = ValueDecoder(connection_to(Kafka(), given, keys))
    with pytest.raises(SourceUnavailable if setting else Undecodable) as caught:
        found.decode(b"\x03\x00" + GUID.bytes + b"x", {})
    assert getattr(caught.value, "setting", None) == setting


def test_glue_value_that_inflates_without_end_is_refused(monkeypatch):
    monkeypatch.setattr(values, "MAX_INFLATED", 1000)
    found = decoder(form="glue", schemas={str(GUID): "string"})
    with pytest.raises(Undecodable, match="after decompression"):
        found.decode(b"\x03\x05" + GUID.bytes + zlib.compress(b"\0" * 100_000), {})


def test_only_schema_of_the_settings_decodes_whole_values():
    assert json_of(decoder(form="schema", schemas={"*": json.dumps(MONEY)}), b"\x0e") == {"cents": 7}
    proto = decoder(form="schema", schemas={"*": "message A { } message B { int32 n = 1; }"}, protobuf_message="B")
    assert json_of(proto, b"\x08\x07") == {"n": 7}


@pytest.mark.parametrize(
    ("form", "data"),
    [
        ("confluent", b""),
        ("confluent", b"\0\0\0\0"),
        ("confluent", b'{"n": 1}'),
        ("apicurio", b"\0\0\0\0\x07"),
        ("apicurio3", b"\x01\0\0\0\x07"),
        ("glue", b"\x03\x00short"),
        ("glue", b"\x03\x07" + bytes(20)),
        ("glue", b"\x03\x00" + bytes(20)),
        ("glue", b"\x03\x05" + GUID.bytes + b"not zlib"),
        ("schema", b"\x03"),
    ],
)
def test_value_without_the_form_of_its_source_is_refused(registry, form, data):
    schemas = {"glue": {str(GUID): "string"}, "schema": {"*": "string"}}
    with pytest.raises(Undecodable):
        decoder(registry, form, schemas=schemas.get(form)).decode(data, {})


@pytest.mark.parametrize(
    "response",
    [
        404,
        422,
        "nonsense",
        {"schema": 7},
        {},
        [],
        {"schema": "{"},
        {"schema": "x", "schemaType": "THRIFT"},
        "x" * 2_000_000,
    ],
)
def test_nonsense_for_one_schema_is_a_fault_of_its_records_and_asked_for_once(registry, response):
    registry.responses["/schemas/ids/7"] = response
    found = decoder(registry)
    for _ in range(3):
        with pytest.raises(Undecodable):
            found.decode(b"\0\0\0\0\x07x", {})
    assert registry.calls == ["/schemas/ids/7"]


def test_schema_that_needs_itself_ends(registry):
    reference = [{"name": f"r{it}", "subject": "s", "version": 1} for it in range(200)]
    registry.responses["/schemas/ids/7"] = {"schema": '"string"', "references": reference}
    registry.responses["/subjects/s/versions/1"] = {"schema": '"string"', "references": reference}
    with pytest.raises(Undecodable, match="more than 100"):
        decoder(registry).decode(b"\0\0\0\0\x07x", {})


@pytest.mark.parametrize(
    ("status", "setting"),
    [
        (401, "credentials.registry_password"),
        (403, "credentials.registry_password"),
        (500, "settings.registry_url"),
        (429, "settings.registry_url"),
        (302, "settings.registry_url"),
    ],
)
def test_registry_that_refuses_or_fails_makes_the_source_unavailable(registry, status, setting):
    registry.responses["/schemas/ids/7"] = status
    with pytest.raises(SourceUnavailable) as caught:
        decoder(registry).decode(b"\0\0\0\0\x07x", {})
    assert caught.value.setting == setting
    assert "geheim" not in str(caught.value)


def test_registry_that_is_away_or_internal_makes_the_source_unavailable(registry, settings):
    found = decoder(registry)
    registry.close()
    with pytest.raises(SourceUnavailable, match="does not respond"):
        found.decode(b"\0\0\0\0\x07x", {})
    settings.WAYPOST_ALLOW_NETWORKS = []
    with pytest.raises(SourceUnavailable, match="may not be called"):
        found.decode(b"\0\0\0\0\x07x", {})


@pytest.mark.django_db
@pytest.mark.usefixtures("reading")
def test_record_that_cannot_be_decoded_is_a_dead_receipt_and_blocks_nothing(kafka, topic, registry):
    confluent_avro(registry)
    read_source("kafka", settings_of(kafka, topic, values="confluent", registry_url=registry.url), {})
    good = b"\0\0\0\0\x07" + ORDER_DATA
    kafka.send(topic, good, b"\0\0\0\0\x63x", good, b"\0\0\0\0\x07\xff")
    receipts = read_until(4)
    dead = {it.read(): it.last_error for it in receipts if it.dead_at}
    assert set(dead) == {b"\0\0\0\0\x63x", b"\0\0\0\0\x07\xff"}
    assert "no schema ids/99" in dead[b"\0\0\0\0\x63x"]
    assert [json.loads(it.read()) for it in receipts if not it.dead_at] == [ORDER_JSON] * 2


@pytest.mark.django_db
@pytest.mark.usefixtures("reading")
def test_records_before_a_missing_registry_are_stored_and_the_rest_when_it_is_back(kafka, topic, registry):
    confluent_avro(registry)
    registry.responses["/schemas/ids/8"] = 503
    read_source("kafka", settings_of(kafka, topic, values="confluent", registry_url=registry.url), {})
    kafka.send(topic, b"\0\0\0\0\x07" + ORDER_DATA, b"\0\0\0\0\x08\x04ab")
    read_until(1)
    make_due()
    read_once(0.2)
    assert errors() == [("settings.registry_url", "The schema registry responds with status 503.")]
    registry.responses["/schemas/ids/8"] = {"schema": '"string"'}
    assert [json.loads(it.read()) for it in read_until(2)] == [ORDER_JSON, "ab"]
    assert Receipt.objects.count() == 2


def test_what_fastavro_writes_is_what_the_settings_decode():
    out = io.BytesIO()
    fastavro.schemaless_writer(out, fastavro.parse_schema(MONEY), {"cents": -5})
    assert json_of(decoder(form="schema", schemas={"*": MONEY}), out.getvalue()) == {"cents": -5}
