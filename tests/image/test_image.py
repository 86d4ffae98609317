"""The image starts with a read-only root and without root, is healthy, stores what it accepts, and stops in order."""

import json
import time
from collections.abc import Iterator

import pytest

from tests.image.containers import IMAGE, Container, build, call, program, running
from tests.processes import run

NAME, VOLUME = "waypost-test", "waypost-test-data"
MAX_SIZE = 700_000_000  # bytes, of which the base has some 130 to 270 million
PUBLISH = """
import json, sys, urllib.request as r
key, method, path, *body = sys.argv[1:]
request = r.Request(f"http://127.0.0.1:8000/api/v1{path}", method=method, data=body[0].encode() if body else None)
request.add_header("authorization", f"Bearer {key}"); request.add_header("content-type", "application/json")
print(r.urlopen(request).read().decode())
"""


@pytest.fixture(scope="module")
def image() -> Iterator[str]:
    began = time.monotonic()
    build()
    print(f"\nbuilt in {time.monotonic() - began:.0f} s")
    call("volume", "create", VOLUME)
    yield IMAGE
    run([program(), "volume", "rm", "--force", VOLUME], text=True)


@pytest.fixture
def container(image: str) -> Iterator[Container]:
    began = time.monotonic()
    with running(NAME, VOLUME) as found:
        print(f"\nhealthy after {time.monotonic() - began:.1f} s")
        yield found


def api(container: Container, key: str, *words: str) -> object:
    """Return what the API responds, called from inside the container."""
    return json.loads(container.exec("python3", "-c", PUBLISH, key, *words))


def test_image_is_small_and_belongs_to_no_root(image: str) -> None:
    found = json.loads(call("image", "inspect", image))[0]
    print(f"\n{found['Size'] / 1e6:.0f} MB")
    assert found["Size"] < MAX_SIZE
    assert found["Config"]["User"] == "10001"
    check = found.get("Healthcheck") or found["Config"]["Healthcheck"]  # of Podman, of Docker
    assert check["Test"][0] == "CMD"


def test_container_has_no_root_and_writes_only_to_its_data(container: Container) -> None:
    assert (container.exec("id", "-u"), container.exec("id", "-g")) == ("10001", "10001")
    assert container.refuses("touch", "/opt/waypost/x")
    assert container.refuses("touch", "/usr/x")
    container.exec("touch", "/data/x", "/tmp/x")
    for name in ("uv", "uvx", "gcc"):
        assert container.refuses("which", name)


def test_event_that_was_accepted_is_there_after_a_restart(image: str) -> None:
    with running(NAME, VOLUME) as container:
        key = json.loads(container.exec("waypost-server", "tenant", "Image"))["api_key"]
        event = api(container, key, "POST", "/events/", '{"type": "image.started", "data": {"n": 1}}')
        assert container.stop() == 0, container.log()
    with running(NAME, VOLUME) as container:
        assert api(container, key, "GET", f"/events/{event['id']}/")["type"] == "image.started"  # type: ignore[index]


def test_installation_in_the_container_has_no_fault(container: Container) -> None:
    report = container.exec("waypost-server", "doctor")
    print(f"\n{report}")
