"""Start a server that speaks the protocols of AWS and checks the signature and the policy of every request."""

import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest import mock

import boto3
import requests
from moto.server import ThreadedMotoServer

REGION = "eu-north-1"
ALLOW_ALL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}


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
        iam.create_user(UserName="waypost")
        iam.put_user_policy(UserName="waypost", PolicyName="all", PolicyDocument=json.dumps(ALLOW_ALL))
        key = iam.create_access_key(UserName="waypost")["AccessKey"]
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
