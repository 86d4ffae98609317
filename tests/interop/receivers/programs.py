"""Start the servers of others: nginx, Node, Go."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.pki import Authority
from tests.ports import free_port
from tests.processes import run, start
from tests.waiting import wait_until

HERE = Path(__file__).parent
NGINX = """
daemon off; master_process off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; client_body_temp_path {folder}/bodies; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port} ssl {version} backlog=1024;
    ssl_certificate {folder}/server.pem; ssl_certificate_key {folder}/server.pem;
    {settings}
    location / {{ return {status} "thanks"; }}
  }}
}}
"""


@contextmanager
def nginx(settings: str, *, http_2: bool, status: int = 200) -> Iterator[tuple[str, Authority]]:
    """Run nginx with these settings of its server; yield the URL and who issued its certificate."""
    with _certified() as (folder, authority):
        port = free_port()
        text = NGINX.format(
            folder=folder, port=port, version="http2" if http_2 else "", settings=settings, status=status
        )
        (folder / "nginx.conf").write_text(text)
        process = start(["nginx", "-c", str(folder / "nginx.conf"), "-p", str(folder)])
        try:
            wait_until(lambda: process.poll() is not None or (folder / "pid").exists(), "nginx")
            assert process.poll() is None, (folder / "error.log").read_text()
            yield f"https://127.0.0.1:{port}/", authority
        finally:
            _end(process)


@contextmanager
def node(script: str, case: str) -> Iterator[tuple[str, Authority]]:
    """Run one of the scripts beside this file with Node."""
    with (
        _certified() as (folder, authority),
        _printing_port(["node", str(HERE / script), str(folder / "server.pem"), case]) as url,
    ):
        yield url, authority


@contextmanager
def go(version: str, case: str) -> Iterator[tuple[str, Authority]]:
    """Build and run the server in Go; the build is cached by Go."""
    with _certified() as (folder, authority):
        program = folder / "server"
        built = run(["go", "build", "-o", str(program), str(HERE / "server.go")], cwd=folder)
        assert built.returncode == 0, built.stderr
        with _printing_port([str(program), str(folder / "server.pem"), version, case]) as url:
            yield url, authority


@contextmanager
def _certified() -> Iterator[tuple[Path, Authority]]:
    authority = Authority()
    with TemporaryDirectory() as name:
        folder = Path(name)
        authority.server(folder)  # writes server.pem
        yield folder, authority


@contextmanager
def _printing_port(command: list[str]) -> Iterator[str]:
    process = start(command, stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield f"https://127.0.0.1:{int(process.stdout.readline())}/"
    finally:
        _end(process)


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    process.communicate(timeout=10)
