"""Follow the recipe for three systems: commands in a shell, events to two vendors' servers and a queue of SQS."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from delivery.models import Delivery
from tests.delivery.connectors.vendors import Vendors
from tests.delivery.destinations.aws import AwsServer, aws_server
from tests.delivery.destinations.battery import loopback as loopback
from tests.delivery.destinations.battery import run_drain
from tests.docs.blocks import blocks_of
from tests.docs.page_shell import STRICT
from tests.factories import make_key, make_tenant
from tests.processes import run
from tests.waiting import wait_until

PAGE = "docs/how-to/recipes/three-systems.md"


@pytest.fixture
def aws() -> Iterator[AwsServer]:
    with aws_server() as it:
        yield it


@pytest.mark.django_db(transaction=True)
def test_page_sends_each_event_to_the_systems_that_want_it(live_server: Any, aws: AwsServer, tmp_path: Path) -> None:
    sqs = aws.client("sqs")
    queue = sqs.create_queue(QueueName="errors")["QueueUrl"]
    with Vendors() as vendors:
        replaced = {
            "https://acme.service-now.com": vendors.url("/servicenow"),
            "https://api.datadoghq.com": vendors.url("/datadog_events"),
            "https://sqs.eu-north-1.amazonaws.com/123456789012/errors": queue,
            "AKIAIOSFODNN7EXAMPLE": aws.key_id,
            '"SECRET"': f'"{aws.secret}"',
        }
        script = "\n".join(it.text for it in blocks_of(PAGE))
        assert all(it in script for it in replaced)
        for text, found in replaced.items():
            script = script.replace(text, found)
        environment = {"PATH": "/usr/bin:/bin", "API": f"{live_server.url}/api/v1", "KEY": make_key(make_tenant())[1]}
        done = run(["bash", "-c", STRICT + script], cwd=tmp_path, env=environment, text=True)
        assert done.returncode == 0, (done.stdout, done.stderr)

        def is_delivered() -> bool:
            run_drain()
            return Delivery.objects.filter(state="delivered").count() == 5

        wait_until(is_delivered, "five deliveries")  # lanes are marked due after the response to publishing
    assert vendors.problems == {}
    titles = sorted(it["short_description"] for it in vendors.accepted["servicenow"])
    assert titles == ["checkout: 3 of 5 probes fail", "search: no answer"]
    assert [it["title"] for it in vendors.accepted["datadog_events"]] == ["Release 7 is live"]
    messages = sqs.receive_message(QueueUrl=queue, MaxNumberOfMessages=10)["Messages"]
    assert sorted(orjson.loads(it["Body"])["type"] for it in messages) == ["health.changed", "job.failed"]
    authorizations = {it.headers["authorization"] for it in vendors.at("/servicenow/api/now/table/incident")}
    assert len(authorizations) == 1
    assert re.match(r"Basic ", authorizations.pop())
