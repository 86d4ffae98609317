"""Be the neighbour: do each activity at a steady low rate, and measure it from the moment it was due.

A process of its own, so that attackers do not share its interpreter. Reads its configuration and then one line per
measurement from stdin, a number of seconds; writes one line of JSON for each: samples by activity.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import sys
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
from aiohttp import web

TIMEOUT = 10.0  # seconds for one request
ARRIVE_WITHIN = 25.0  # seconds after a measurement, for its last deliveries
LARGE = b"." * 300 * 1024
Sample = tuple[float, str]  # milliseconds, and what failed ("": nothing)


class Failed(Exception):
    """A request without the expected response."""


class Neighbour:
    """The activities, and the server that the neighbour's endpoints are at."""

    def __init__(self, facts: dict[str, Any], session: aiohttp.ClientSession) -> None:
        self.facts = facts
        self.session = session
        self.samples: dict[str, list[Sample]] = defaultdict(list)
        self.published: dict[str, float] = {}
        self.arrived: dict[str, dict[str, float]] = {"delivered": {}, "delivered by name": {}}
        self.number = 0

    async def measure(self, seconds: float) -> dict[str, list[Sample]]:
        self.samples.clear()
        self.published.clear()
        until = time.monotonic() + seconds
        activities = {
            "publish": (5.0, self.publish),
            "read": (3.0, self.read),
            "health": (2.0, self.health),
            "receive": (5.0, self.receive),
            "receive 300 KB": (0.5, self.receive_large),
            "handled": (0.5, self.receive_handled),
            "test delivery": (0.5, self.test_delivery),
            "new endpoint": (0.5, self.new_endpoint),
            "first key": (0.4, self.first_key),
        }
        await asyncio.gather(*(self._repeat(name, rate, act, until) for name, (rate, act) in activities.items()))
        await self._deliveries()
        return dict(self.samples)

    async def _repeat(self, name: str, rate: float, act: Callable[[], Awaitable[None]], until: float) -> None:
        """Start one request whenever it is due, whatever became of those before (an open loop)."""
        due, started = time.monotonic(), []
        while due < until:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            started.append(asyncio.create_task(self._timed(name, act, due)))
            due += 1 / rate
        await asyncio.gather(*started)

    async def _timed(self, name: str, act: Callable[[], Awaitable[None]], due: float) -> None:
        problem = ""
        try:
            await act()
        except Failed as error:
            problem = str(error)
        except (OSError, aiohttp.ClientError, TimeoutError) as error:
            problem = type(error).__name__
        self.samples[name].append(((time.monotonic() - due) * 1000, problem))

    async def _deliveries(self) -> None:
        """Wait for the deliveries of the measurement's events, and record when they arrived."""
        names = list(self.arrived) if self.facts["names"] else ["delivered"]
        until = time.monotonic() + ARRIVE_WITHIN
        while time.monotonic() < until and any(self.published.keys() - self.arrived[name].keys() for name in names):
            await asyncio.sleep(0.1)
        for name in names:
            for event, due in self.published.items():
                at = self.arrived[name].get(event)
                late = (time.monotonic() if at is None else at) - due
                self.samples[name].append((late * 1000, "did not arrive" if at is None else ""))
            self.arrived[name].clear()

    # The activities.

    async def _request(self, method: str, path: str, *expected: int, **options: Any) -> bytes:
        url = path if path.startswith("http") else f"{self.facts['address']}{path}"
        headers = {"authorization": f"Bearer {self.facts['key']}"} | options.pop("headers", {})
        async with self.session.request(method, url, headers=headers, **options) as response:
            body = await response.read()
            if response.status not in (expected or (200,)):
                raise Failed(f"{response.status} {body[:120].decode(errors='replace')}")
            return body

    async def publish(self) -> None:
        self.number += 1
        event, due = f"n-{time.time_ns()}-{self.number}", time.monotonic()
        await self._request("POST", "/api/v1/events/", 202, json={"id": event, "type": "neighbour.event", "data": {}})
        self.published[event] = due

    async def read(self) -> None:
        self.number += 1
        path = ("events", "deliveries", "endpoints", "receipts")[self.number % 4]
        await self._request("GET", f"/api/v1/{path}/?limit=5")

    async def health(self) -> None:
        await self._request("GET", "/healthz")

    async def receive(self) -> None:
        await self._post_signed(b'{"type": "thing.happened"}', self.facts["source"])

    async def receive_large(self) -> None:
        await self._post_signed(LARGE, self.facts["source"])

    async def receive_handled(self) -> None:
        await self._post_signed(b'{"type": "thing.happened"}', self.facts["handled_source"], 200)

    async def _post_signed(self, body: bytes, source: dict[str, str], *expected: int) -> None:
        self.number += 1
        headers = signed(source["secret"], f"m-{time.time_ns()}-{self.number}", body)
        await self._request("POST", source["url"], *(expected or (200, 202, 204)), data=body, headers=headers)

    async def test_delivery(self) -> None:
        body = await self._request("POST", f"/api/v1/endpoints/{self.facts['endpoint']}/test/", json={"type": "a.b"})
        if not json.loads(body)["delivered"]:
            raise Failed("the test was not delivered: " + json.loads(body).get("error", ""))

    async def new_endpoint(self) -> None:
        host = "new.neighbour.example" if self.facts["names"] else "127.0.0.1"
        url = f"http://{host}:{self.facts['port']}/new"
        made = await self._request("POST", "/api/v1/endpoints/", 201, json={"url": url})
        await self._request("DELETE", f"/api/v1/endpoints/{json.loads(made)['id']}/", 204)

    async def first_key(self) -> None:
        """Send a message whose signature has to be checked with a key that is fetched first."""
        self.number += 1
        host = "keys.neighbour.example" if self.facts["names"] else "127.0.0.1"
        keys = f"http://{host}:{self.facts['port']}/keys/{time.time_ns()}"
        fields = {"scheme": "jwt", "options": {"jwks_url": keys, "audience": "neighbour"}}
        made = json.loads(await self._request("POST", "/api/v1/sources/", 201, json=fields))
        token = self.facts["token"]
        try:
            await self._request(
                "POST", made["url"], 200, 202, 204, data=b"{}", headers={"authorization": f"Bearer {token}"}
            )
        finally:
            await self._request("DELETE", f"/api/v1/sources/{made['id']}/", 204)

    # The server.

    async def respond(self, request: web.Request) -> web.Response:
        if request.path.startswith("/keys/"):
            return web.json_response({"keys": [self.facts["jwk"]]})
        body = await request.read()
        name = {"/named": "delivered by name", "/sink": "delivered"}.get(request.path)
        if name and body:
            self.arrived[name].setdefault(json.loads(body)["id"], time.monotonic())
        return web.Response()


def signed(secret: str, message_id: str, body: bytes) -> dict[str, str]:
    """Return the headers of Standard Webhooks."""
    stamp = str(int(time.time()))
    key = base64.b64decode(secret.removeprefix("whsec_"))
    digest = hmac.new(key, f"{message_id}.{stamp}.".encode() + body, hashlib.sha256).digest()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": "v1," + base64.b64encode(digest).decode(),
        "content-type": "application/json" if body.startswith(b"{") else "text/plain",
    }


async def main() -> None:
    facts = json.loads(sys.stdin.readline())
    timeout = aiohttp.ClientTimeout(total=TIMEOUT)
    async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(limit=0)) as session:
        neighbour = Neighbour(facts, session)
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", neighbour.respond)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", facts["port"]).start()
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            print(json.dumps(await neighbour.measure(float(line))), flush=True)
        await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
