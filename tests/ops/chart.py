"""Render the chart with helm: the one on this machine, or one that is built by Go at a pinned version."""

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.installed_programs import call, installed
from tests.processes import run

CHART = Path(__file__).resolve().parents[2] / "ops" / "helm" / "waypost"
HELM = "helm.sh/helm/v3/cmd/helm@v3.18.6"
IS_HERE = shutil.which("helm") is not None or shutil.which("go") is not None
OLDEST = "1.27.0"  # of Kubernetes
NOTES = """
kind: ConfigMap
data:
  notes: {{ tpl (.Files.Get "notes.txt") . | quote }}
"""
REQUIRED: Mapping[str, Any] = {"publicUrl": "https://hooks.example.com", "existingSecret": "waypost"}


def helm() -> Path:
    """Return the program of helm."""
    if found := shutil.which("helm"):
        return Path(found)

    def install(folder: Path) -> None:
        call("go", "install", HELM, folder=folder, GOBIN=str(folder))

    return installed("helm", HELM.encode(), install) / "helm"


def lint(values: Mapping[str, Any], folder: Path) -> str:
    """Return what `helm lint --strict` prints. Fails if it finds anything."""
    return call(helm(), "lint", "--strict", CHART, *_given(values, folder, OLDEST), folder=folder)


def render(values: Mapping[str, Any], folder: Path, *, chart: Path = CHART, version: str = OLDEST) -> list[Any]:
    """Return the manifests of the chart with these values, for a version of Kubernetes."""
    output = call(helm(), "template", "name", chart, *_given(values, folder, version), folder=folder)
    return [it for it in yaml.safe_load_all(output) if it]


def refusal(values: Mapping[str, Any], folder: Path) -> str:
    """Return what helm says about values that the chart refuses."""
    command = [helm(), "template", "name", CHART, *_given(values, folder, OLDEST)]
    done = run([str(it) for it in command], cwd=folder, text=True)
    assert done.returncode != 0, done.stdout
    return str(done.stderr)


def notes(values: Mapping[str, Any], folder: Path) -> str:
    """Return what is shown after an installation, which helm renders only with a cluster: here as a manifest."""
    copy = folder / "chart"
    shutil.copytree(CHART, copy)
    (copy / "templates" / "NOTES.txt").rename(copy / "notes.txt")
    (copy / "templates" / "notes.yaml").write_text(NOTES)
    return next(str(it["data"]["notes"]) for it in render(values, folder, chart=copy) if it["kind"] == "ConfigMap")


def _given(values: Mapping[str, Any], folder: Path, version: str) -> list[str | Path]:
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(dict(values)))
    return ["--values", path, "--kube-version", version]
