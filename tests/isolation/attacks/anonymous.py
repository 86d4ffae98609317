"""Load what anyone may request: the schema, documents, the login, metrics, errors."""

from itertools import count
from urllib.parse import quote

from tests.isolation.attack import attack
from tests.isolation.attacker import Attacker


@attack(12, "readers of the API's description", is_short=True)
def schema(attacker: Attacker) -> None:
    """24 anonymous clients read the API's description."""
    attacker.clients(24, lambda: attacker.get("/api/v1/schema/", key=""))


@attack(24, "unknown API keys")
def unknown_keys(attacker: Attacker) -> None:
    """32 clients try keys that do not exist, each another one."""
    numbers = count()
    attacker.clients(32, lambda: attacker.get("/api/v1/events/", key=f"wp_{next(numbers):043}"))


@attack(25, "logins with wrong passwords", is_short=True)
def logins(attacker: Attacker) -> None:
    """16 anonymous clients try passwords at the admin's login page."""

    def log_in() -> None:
        with attacker.connect() as raw:
            raw.sendall(b"GET /admin/login/ HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            page = b""
            while piece := raw.recv(65536):
                page += piece
        cookie = page.split(b"waypost_csrf=")[1].split(b";")[0].decode()
        token = page.split(b'name="csrfmiddlewaretoken" value="')[1].split(b'"')[0].decode()
        form = f"csrfmiddlewaretoken={quote(token)}&username=admin&password=wrong".encode()
        attacker.request(
            "POST",
            "/admin/login/",
            form,
            key="",
            cookie=f"waypost_csrf={cookie}",
            content_type="application/x-www-form-urlencoded",
        )

    attacker.clients(16, log_in)


@attack(26, "readers of the metrics")
def metrics(attacker: Attacker) -> None:
    """16 clients read the metrics."""
    attacker.clients(16, lambda: attacker.get("/metrics", key=""))


@attack(27, "pages, documents and errors")
def pages(attacker: Attacker) -> None:
    """32 anonymous clients read documents, pages, static files, and what does not exist."""
    for path in ("/", "/api/v1/docs/", "/nothing/", "/api/v1/nothing/", "/catalogue/", "/in/unknown/", "/admin/login/",
                 "/static/unfold/css/styles.css"):  # fmt: skip
        attacker.clients(4, lambda it=path: attacker.get(it, key=""))


@attack(28, "readiness probes")
def readiness(attacker: Attacker) -> None:
    """16 anonymous clients ask whether the platform is ready."""
    attacker.clients(16, lambda: attacker.get("/readyz", key=""))
