"""The chart: helm finds no fault, its manifests are those of Kubernetes' schemas, and they refer to each other."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from tests.docs.blocks import ROOT
from tests.docs.test_deploy import check_command, is_setting
from tests.ops.chart import IS_HERE, OLDEST, REQUIRED, lint, notes, refusal, render

NEWEST = kubernetes_validate.latest_version()  # of Kubernetes
SECRETS = dict.fromkeys(("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "WAYPOST_ENCRYPTION_KEYS"), "value")
VALUES: dict[str, dict[str, Any]] = {
    "a_secret_that_exists": {**REQUIRED, "env": {"WAYPOST_STORAGE_URL": "s3://claims/"}},
    "secrets_of_the_chart": {
        "publicUrl": "https://hooks.example.com:8443/",
        "secrets": {**SECRETS, "WAYPOST_OIDC_CLIENT_SECRET": "x"},
        "env": {"WAYPOST_STORAGE_URL": "s3://claims/", "WAYPOST_AUDIT_DAYS": 30, "WAYPOST_ACCESS_LOG": False},
    },
    "everything": {
        **REQUIRED,
        "image": {"repository": "registry.example.com/waypost", "tag": "1.2.3", "pullPolicy": "Always"},
        "imagePullSecrets": [{"name": "registry"}],
        "extraEnvFrom": [{"configMapRef": {"name": "more"}}],
        "web": {"replicas": 3, "resources": {"limits": {"memory": "2Gi"}}},
        "deliver": {"replicas": 0, "resources": {}},
        "service": {"type": "LoadBalancer", "port": 8080},
        "ingress": {
            "enabled": True,
            "className": "nginx",
            "annotations": {"nginx.ingress.kubernetes.io/proxy-body-size": "1g"},
            "tls": [{"secretName": "hooks-tls", "hosts": ["hooks.example.com"]}],
        },
        "podAnnotations": {"prometheus.io/scrape": "true"},
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "only", "operator": "Equal", "value": "waypost", "effect": "NoSchedule"}],
        "affinity": {"podAntiAffinity": {}},
    },
}
REFUSED = {
    "no_address": ({"existingSecret": "waypost"}, "publicUrl: set the https address"),
    "no_secret": ({"publicUrl": "https://hooks.example.com"}, "secrets.DATABASE_URL: set it"),
    "replicas_in_words": ({**REQUIRED, "web": {"replicas": "two"}}, "replicas"),
    "fewer_than_no_replicas": ({**REQUIRED, "web": {"replicas": -1}}, "replicas"),
    "misspelt_value": ({**REQUIRED, "publicURL": "https://hooks.example.com"}, "publicURL"),
    "address_without_a_scheme": ({**REQUIRED, "publicUrl": "hooks.example.com"}, "publicUrl"),
}
each_values = pytest.mark.parametrize("values", VALUES.values() if IS_HERE else [], ids=VALUES if IS_HERE else [])


def pods(manifests: list[Any]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield each manifest that has pods, and the template of its pods."""
    for it in manifests:
        if it["kind"] in ("Deployment", "Job"):
            yield it, it["spec"]["template"]


def is_selected(labels: dict[str, str], selector: dict[str, str]) -> bool:
    return selector.items() <= labels.items()


@each_values
def test_helm_finds_no_fault(values: dict[str, Any], tmp_path: Path) -> None:
    assert "0 chart(s) failed" in lint(values, tmp_path)


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
@each_values
def test_manifests_are_those_of_the_schemas_of_kubernetes(values: dict[str, Any], version: str, tmp_path: Path) -> None:
    manifests = render(values, tmp_path, version=version)
    for manifest in manifests:
        kubernetes_validate.validate(manifest, version, strict=True)
    kinds = [it["kind"] for it in manifests]
    assert kinds.count("Deployment") == 3
    assert {"Service", "PodDisruptionBudget", "Job"} <= set(kinds)


@each_values
def test_names_and_selectors_of_manifests_lead_to_manifests(values: dict[str, Any], tmp_path: Path) -> None:
    manifests = render(values, tmp_path)
    by_kind = {it["kind"]: it for it in manifests}
    labels = [template["metadata"]["labels"] for owner, template in pods(manifests) if owner["kind"] == "Deployment"]
    for owner, template in pods(manifests):
        if owner["kind"] == "Deployment":
            assert is_selected(template["metadata"]["labels"], owner["spec"]["selector"]["matchLabels"])
    (web,) = (it for it in manifests if it["metadata"]["name"].endswith("-web") and it["kind"] == "Deployment")
    own = web["spec"]["template"]["metadata"]["labels"]
    for selector in (
        by_kind["Service"]["spec"]["selector"],
        by_kind["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
    ):
        assert [it for it in labels if is_selected(it, selector)] == [own]
    ports = {it["name"] for it in web["spec"]["template"]["spec"]["containers"][0]["ports"]}
    assert {it["targetPort"] for it in by_kind["Service"]["spec"]["ports"]} <= ports
    secrets = {it["metadata"]["name"] for it in manifests if it["kind"] == "Secret"} | {values.get("existingSecret")}
    for _, template in pods(manifests):
        (container,) = template["spec"]["containers"]
        assert container["envFrom"][0]["secretRef"]["name"] in secrets
        volumes = {it["name"] for it in template["spec"]["volumes"]}
        assert {it["name"] for it in container["volumeMounts"]} <= volumes
    if "Ingress" in by_kind:
        (rule,) = by_kind["Ingress"]["spec"]["rules"]
        service = rule["http"]["paths"][0]["backend"]["service"]
        assert service == {"name": by_kind["Service"]["metadata"]["name"], "port": {"name": "http"}}
        assert rule["host"] == "hooks.example.com"


@each_values
def test_containers_are_confined_and_run_programs_that_exist(values: dict[str, Any], tmp_path: Path) -> None:
    for _, template in pods(render(values, tmp_path)):
        spec, (container,) = template["spec"], template["spec"]["containers"]
        assert (spec["securityContext"]["runAsNonRoot"], spec["securityContext"]["runAsUser"]) == (True, 10001)
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}
        check_command(container.get("command") or ["waypost-server", *container["args"]])
        names = [it["name"] for it in container["env"]]
        assert [it for it in names if not is_setting(it)] == []
        assert len(names) == len(set(names))


@pytest.mark.parametrize(("values", "named"), REFUSED.values() if IS_HERE else [], ids=REFUSED if IS_HERE else [])
def test_values_that_cannot_work_are_refused_by_name(values: dict[str, Any], named: str, tmp_path: Path) -> None:
    assert named in refusal(values, tmp_path)


@pytest.mark.parametrize("values", [VALUES["everything"]] if IS_HERE else [], ids=["everything"] if IS_HERE else [])
def test_commands_of_the_notes_exist(values: dict[str, Any], tmp_path: Path) -> None:
    shown = notes(values, tmp_path)
    names = {it["metadata"]["name"] for it in render(values, tmp_path) if it["kind"] == "Deployment"}
    commands = re.findall(r"kubectl exec (?:-it )?deploy/(\S+) -- (.*)", shown)
    assert len(commands) == 3
    for name, words in commands:
        assert name in names
        check_command(shlex.split(words))


def test_chart_and_platform_have_the_same_version() -> None:
    chart, project = ((ROOT / path).read_text() for path in ("ops/helm/waypost/Chart.yaml", "pyproject.toml"))
    version = re.search(r'^version = "(.*)"$', project, re.MULTILINE)
    assert version
    assert f'appVersion: "{version[1]}"' in chart
