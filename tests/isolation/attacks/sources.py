"""Load receiving: waiting for handlers, slow and large bodies, bad signatures, handlers that harm the worker."""

import time

from tests.isolation.attack import attack
from tests.isolation.attacker import PROXY, Attacker
from tests.isolation.neighbour_process import signed
from tests.receiver import hang


def post_forever(attacker: Attacker, clients: int, url: str, body: bytes = b"", **options: str) -> None:
    attacker.clients(clients, lambda: attacker.message(url, body, **options))


@attack(1, "responses that wait for handlers", is_short=True)
def waiting_for_handlers(attacker: Attacker) -> None:
    """26 clients post to a source that responds when its handler has finished, which takes eight seconds."""
    source = attacker.source(handlers=[{"handler": "sleep"}], response_when="processed", response_timeout_seconds=25)
    post_forever(attacker, 26, source["url"])


@attack(8, "a forged client certificate", is_outcome=True, is_short=True)
def forged_certificate(attacker: Attacker) -> None:
    """A header with underscores names a client certificate, past a proxy that removes the one with hyphens."""
    source = attacker.source(scheme="mtls", secret="CN=shop", options={"form": "subject", "header": "x-client-subject"})
    for name in ("X_Client_Subject", "x_client_subject", "X-Client_Subject"):
        with attacker.connect(PROXY) as raw:
            path = "/" + source["url"].split("/", 3)[3]
            head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{name}: CN=shop\r\nContent-Length: 2\r\n\r\n{{}}"
            raw.sendall(head.encode())
            if b" 2" in raw.recv(4096)[:12]:
                attacker.breach(f"the header {name} is trusted")


@attack(9, "the address of another tenant's source", is_outcome=True, is_short=True)
def foreign_addresses(attacker: Attacker) -> None:
    """The neighbour deletes a source, and the attacker registers its uid."""
    try:
        attacker.source(uid="neighbour")
    except Exception as error:
        attacker.breach(f"says which uids others have: {error}")
    for round_number in range(2):
        uid = f"moved-{round_number}-{time.time_ns()}"
        theirs = attacker.create("sources", key=attacker.victim["key"], scheme="none", uid=uid)
        attacker.request("DELETE", f"/api/v1/sources/{theirs['id']}/", key=attacker.victim["key"])
        attacker.source(uid=uid)
        attacker.message(theirs["url"])
    if b'"rcp_' in attacker.get("/api/v1/receipts/"):
        attacker.breach("receives messages that were sent to the neighbour")


@attack(10, "a source of a deleted tenant", is_outcome=True, is_short=True)
def deleted_tenant(attacker: Attacker) -> None:
    """A tenant is deleted, and messages go on arriving at its source."""
    tenant = attacker.create("tenants", key=attacker.platform_key, name="to be deleted")
    body = {"scheme": "none"}
    _, content = attacker.request(
        "POST", "/api/v1/sources/", body, key=attacker.platform_key, waypost_tenant=tenant["id"]
    )
    url = content.decode().split('"url":"')[1].split('"')[0]
    attacker.request("DELETE", f"/api/v1/tenants/{tenant['id']}/", key=attacker.platform_key)
    time.sleep(3)  # every process reads its sources again
    if attacker.message(url) < 300:
        attacker.breach("the source of a deleted tenant accepts messages")


@attack(11, "large bodies that drip", is_short=True)
def dripping_bodies(attacker: Attacker) -> None:
    """24 anonymous sockets send large bodies to the login, and 40 to a source, one byte in eight seconds."""
    head = "POST {} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000000\r\nContent-Type: {}\r\n"
    head += f"Cookie: waypost_csrf={'c' * 32}\r\n\r\n"
    form = head.format("/admin/login/", "application/x-www-form-urlencoded").encode()
    attacker.hold(24, form + b"csrfmiddlewaretoken=" + b"x" * 300_000, b"x")
    path = "/" + attacker.source()["url"].split("/", 3)[3]
    attacker.hold(40, head.format(path, "application/json").encode() + b"x" * 300_000, b"x")


@attack(14, "key servers that hang")
def hanging_key_servers(attacker: Attacker) -> None:
    """Ten sources whose keys are fetched from a server that hangs get messages all the time."""
    keys = attacker.server(hang, "/keys")
    token = attacker.victim["token"]
    for number in range(10):
        source = attacker.source(scheme="jwt", options={"jwks_url": f"{keys}?{number}", "audience": "neighbour"})
        post_forever(attacker, 4, source["url"], authorization=f"Bearer {token}")


@attack(35, "large bodies at full speed")
def large_bodies(attacker: Attacker) -> None:
    """Eight clients post bodies of 16 MB with a signature that is right."""
    source = attacker.source(scheme="standard")
    body = b"{" + b" " * (16 * 1024**2 - 2) + b"}"

    def post() -> None:
        headers = signed(source["secret"], f"large-{time.time_ns()}", body)
        path = "/" + source["url"].split("/", 3)[3]
        attacker.request("POST", path, body, key="", **headers)

    attacker.clients(8, post)


@attack(36, "bodies in chunks of one byte")
def tiny_chunks(attacker: Attacker) -> None:
    """32 connections send bodies in chunks of one byte, as fast as they can."""
    path = "/" + attacker.source()["url"].split("/", 3)[3]
    chunks = b"1\r\nx\r\n" * 20_000

    def send() -> None:
        with attacker.connect() as raw:
            raw.sendall(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            raw.sendall(chunks + b"0\r\n\r\n")
            raw.recv(1024)

    attacker.clients(32, send)


@attack(37, "handlers that sleep", is_short=True)
def sleeping_handlers(attacker: Attacker) -> None:
    """Handlers of 200 receipts sleep for eight seconds each."""
    source = attacker.source(handlers=[{"handler": "sleep"}])
    for _ in range(200):
        attacker.message(source["url"])
    attacker.clients(1, lambda: attacker.message(source["url"]), pause=0.1)


@attack(38, "handlers that end the worker")
def crashing_handlers(attacker: Attacker) -> None:
    """Handlers end the process that runs them, receipt after receipt."""
    source = attacker.source(handlers=[{"handler": "crash"}], retry_plan=[1] * 5)
    attacker.clients(1, lambda: attacker.message(source["url"]), pause=0.5)


@attack(39, "handlers that compute and fail")
def computing_handlers(attacker: Attacker) -> None:
    """Handlers compute for two seconds, and others fail and are repeated after a second."""
    spinning = attacker.source(handlers=[{"handler": "spin"}])
    failing = attacker.source(handlers=[{"handler": "fail"}], retry_plan=[1] * 9)
    attacker.clients(1, lambda: attacker.message(spinning["url"]), pause=0.1)
    attacker.clients(2, lambda: attacker.message(failing["url"]), pause=0.02)


@attack(49, "bad signatures", is_short=True)
def bad_signatures(attacker: Attacker) -> None:
    """32 anonymous clients post messages with wrong signatures to the neighbour's source."""
    url = attacker.victim["source"]["url"]
    headers = signed("whsec_" + "QUFB" * 8, "forged", b"{}")
    path = "/" + url.split("/", 3)[3]
    attacker.clients(32, lambda: attacker.request("POST", path, b"{}" * 2_000, key="", **headers))


@attack(51, "a flood of valid messages")
def valid_messages(attacker: Attacker) -> None:
    """64 connections post valid messages as fast as they are answered."""
    source = attacker.source(handlers=[{"handler": "quick"}])
    post_forever(attacker, 64, source["url"])
