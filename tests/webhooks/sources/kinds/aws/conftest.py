import logging
import os
import threading
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import boto3
import pytest
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

REGION = "eu-north-1"
CREDENTIALS = {"access_key_id": "AKIAIOSFODNN7EXAMPLE", "secret_access_key": "secret/of+the/key"}


@pytest.fixture(scope="session")
def aws_url() -> Iterator[str]:
    """Return the URL of a server that speaks the protocols of SQS, SNS, S3, EventBridge and Kinesis, on loopback."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    application, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()

    def one_at_a_time(environment: Any, start_response: Any) -> list[bytes]:
        with lock:  # the server loses messages when its requests run side by side
            return list(application(environment, start_response))

    server = make_server("127.0.0.1", 0, one_at_a_time, threaded=True, request_handler=MotoRequestHandler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def aws(aws_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Return a function that makes the vendor's client of a service."""
    for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
        monkeypatch.delenv(name)
    made: list[Any] = []

    def client(service: str) -> Any:
        made.append(
            boto3.client(
                service,
                endpoint_url=aws_url,
                region_name=REGION,
                aws_access_key_id="testing",
                aws_secret_access_key="testing",
            )
        )
        return made[-1]

    yield client
    for it in made:
        it.close()


@pytest.fixture
def name() -> str:
    """Return a name that no other test uses: the server is shared."""
    return f"orders-{uuid4().hex[:12]}"
