"""Start a server that speaks the protocols of AWS and checks the signature and the policy of every request."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any
from unittest import mock

import boto3
import requests
from moto.server import ThreadedMotoServer

from tests.delivery.destinations.battery import Received

REGION = "eu-north-1"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
_users = count(1)


@dataclass(frozen=True)
class AwsServer:
    """A server with one access key, which may do everything."""

    url: str
    key_id: str
    secret: str

    @property
    def credentials(self) -> dict[str, str]:
        return {"access_key_id": self.key_id, "secret_access_key": self.secret}

    def client(self, service: str) -> Any:
        """Return the vendor's client of a service."""
        return _client(service, self.url, self.key_id, self.secret)

    def at_port(self, url: str, port: int) -> str:
        """Return a URL of this server with another port."""
        return url.replace(self.url, f"http://127.0.0.1:{port}")


class ReadQueue:
    """A new queue, which is read to the end; FIFO if ``suffix`` is ``.fifo``."""

    _numbers = count(1)

    def __init__(self, aws: AwsServer, suffix: str = "") -> None:
        self.sqs = aws.client("sqs")
        attributes = {"FifoQueue": "true"} if suffix else {}
        name = f"q{next(self._numbers)}{suffix}"
        self.url = self.sqs.create_queue(QueueName=name, Attributes=attributes)["QueueUrl"]
        self._seen: list[Received] = []

    @property
    def arn(self) -> str:
        found = self.sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        return str(found["Attributes"]["QueueArn"])

    def received(self) -> list[Received]:
        while messages := self.sqs.receive_message(
            QueueUrl=self.url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
        ).get("Messages"):
            for it in messages:
                attributes = {name: value["StringValue"] for name, value in it.get("MessageAttributes", {}).items()}
                key = it["Attributes"].get("MessageGroupId")
                self._seen.append(Received(it["Body"].encode(), attributes, key))
                self.sqs.delete_message(QueueUrl=self.url, ReceiptHandle=it["ReceiptHandle"])
        return self._seen


@contextmanager
def aws_server() -> Iterator[AwsServer]:
    """Start the server; one for all tests of a file."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # a line for each request
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    session = requests.Session()
    session.trust_env = False
    try:
        iam = _client("iam", url, "testing", "testing")
        user = f"waypost-{next(_users)}"  # the state is that of the process, not of the server
        iam.create_user(UserName=user)
        iam.put_user_policy(UserName=user, PolicyName="all", PolicyDocument=json.dumps(ALLOW_ALL))
        key = iam.create_access_key(UserName=user)["AccessKey"]
        session.post(f"{url}/moto-api/reset-auth", data="0").raise_for_status()  # from here on, all are checked
        yield AwsServer(url, key["AccessKeyId"], key["SecretAccessKey"])
    finally:
        session.post(f"{url}/moto-api/reset-auth", data="inf")
        server.stop()
        session.close()


def _client(service: str, url: str, key_id: str, secret: str) -> Any:
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    with mock.patch.dict(os.environ, environment, clear=True):
        return boto3.client(
            service, endpoint_url=url, region_name=REGION, aws_access_key_id=key_id, aws_secret_access_key=secret
        )
