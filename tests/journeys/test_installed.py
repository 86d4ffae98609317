"""The wheel in an environment of its own: `waypost-server` runs the platform, from a directory that is no checkout.

`make test` gives that environment the packages of the tests. `make test-wheel` sets WAYPOST_WHEEL_ALONE, and what the
wheel requires is installed from the index of packages.
"""

import os
import site
import sys
from pathlib import Path
from subprocess import PIPE, STDOUT
from tempfile import TemporaryDirectory
from zipfile import ZipFile

import pytest

from config.local import embedded
from tests.journeys.other_project import BIN, ROOT, built_wheel
from tests.ports import free_port
from tests.processes import run, start

ALONE = bool(os.environ.get("WAYPOST_WHEEL_ALONE"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an environment in which the wheel is installed."""
    folder = tmp_path_factory.mktemp("environment") / "venv"
    uv = str(BIN / "uv")
    steps = [
        [uv, "venv", "--quiet", "--offline", "--python", sys.executable, str(folder)],
        [uv, "pip", "install", "--quiet", "--python", str(folder / "bin" / "python"), str(built_wheel())],
    ]
    if not ALONE:
        steps[1] += ["--offline", "--no-deps"]
    for step in steps:
        done = run(step, text=True)
        assert done.returncode == 0, done.stderr
    if not ALONE:
        (found,) = folder.glob("lib/python*/site-packages")
        (found / "packages_of_the_tests.pth").write_text("\n".join(site.getsitepackages()))
    return folder


@pytest.fixture
def variables() -> dict[str, str]:
    """Return the environment variables of a shell in which nothing is set up."""
    return {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "TMPDIR") if name in os.environ}


@pytest.fixture
def server(environment: Path) -> str:
    """Return the path of the command."""
    return str(environment / "bin" / "waypost-server")


def test_installed_platform_does_the_main_job(server: str, variables: dict[str, str], tmp_path: Path) -> None:
    done = run([server, "demo", "--exit"], cwd=tmp_path, env=variables, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "delivered" in done.stdout


def test_installed_platform_is_sound_and_keeps_its_data_where_it_is_run(
    server: str, environment: Path, variables: dict[str, str]
) -> None:
    with TemporaryDirectory() as folder:  # a short path, for sockets
        Path(folder).chmod(0o711)
        port = str(free_port())
        up = start([server, "up", "--port", port], cwd=folder, env=variables, stdout=PIPE, stderr=STDOUT, text=True)
        lines = []
        for line in up.stdout:
            lines.append(line)
            if " ready: " in line:
                break
        else:
            raise AssertionError("".join(lines))
        examined = {**variables, "PUBLIC_URL": f"http://127.0.0.1:{port}"}
        done = run([server, "doctor"], cwd=folder, env=examined, text=True)
        up.terminate()
        up.communicate()
        assert done.returncode == 0, done.stdout + done.stderr
        assert "an event was published, and delivered" in done.stdout
        assert (Path(folder) / ".waypost" / "secrets" / "secret_key").exists()
        embedded.discard(Path(folder) / ".waypost")
    assert not list(environment.rglob(".waypost"))


def test_wheel_has_every_file_of_the_apps_and_nothing_else() -> None:
    names = [it for it in ZipFile(built_wheel()).namelist() if not it.endswith("/") and ".dist-info/" not in it]
    files = (it for app in ("webhooks", "subscriptions", "delivery", "config") for it in (ROOT / app).rglob("*"))
    ours = [str(it.relative_to(ROOT)) for it in files if it.is_file() and "__pycache__" not in it.parts]
    assert sorted(names) == sorted(ours)
