"""Rules and dashboards name metrics and labels that a scrape has; promtool checks and tests the rules."""

import json
import os
import re
import shutil
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.config.metrics.metrics_page import counters, gauges

ROOT = Path(__file__).resolve().parents[2]
RULES = sorted((ROOT / "ops" / "prometheus").glob("*.yml"))
RULE_TESTS = sorted((ROOT / "ops" / "prometheus" / "tests").glob("*.yml"))
DASHBOARDS = sorted((ROOT / "ops" / "grafana").glob("*.json"))
METRIC = re.compile(r"\b(waypost_[a-z0-9_]+)(\{[^}]*\})?")
RECORDED = re.compile(r"\bwaypost:[a-z0-9_:]+")
LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
BY = re.compile(r"\bby \(([^)]*)\)")
OF_HISTOGRAMS = ("_bucket", "_count", "_sum")
BY_SETTING = {"tenant", "endpoint"}  # labels of WAYPOST_METRICS_BY
OF_PROMETHEUS = {"le", "job", "instance"}


def rules() -> list[dict[str, Any]]:
    groups = [group for path in RULES for group in yaml.safe_load(path.read_text()).get("groups", [])]
    return [rule for group in groups for rule in group["rules"]]


def queries() -> dict[str, str]:
    """Return all queries of rules and dashboards, by where they stand."""
    found = {f"{rule.get('alert') or rule['record']} {number}": rule["expr"] for number, rule in enumerate(rules())}
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel.get("targets", []):
                found[f"{path.name} {panel['title']} {target['refId']}"] = target["expr"]
    return found


@cache
def labels_of() -> dict[str, set[str]]:
    """Return the labels of each series."""
    names: dict[str, set[str]] = {}
    for it in [*counters(), *gauges()]:
        endings = OF_HISTOGRAMS if it.kind == "histogram" else ("",)
        names |= {f"{it.name}{ending}": set(re.findall(r"`(\w+)`", it.labels)) for ending in endings}
    return names


QUERIES = queries()


@pytest.mark.parametrize("place", QUERIES)
def test_query_names_metrics_and_labels_that_exist(place: str) -> None:
    recorded = {rule["record"] for rule in rules() if "record" in rule}
    assert set(RECORDED.findall(QUERIES[place])) <= recorded
    found = METRIC.findall(QUERIES[place])
    used = {label.strip() for labels in BY.findall(QUERIES[place]) for label in labels.split(",")}
    for name, selector in found:
        assert name in labels_of(), name
        chosen = set(LABEL.findall(selector)) | (used if len(found) == 1 else set())
        assert chosen <= labels_of()[name] | OF_PROMETHEUS | BY_SETTING, name


SCRAPE = """
import django
django.setup()
from config.metrics.exposition import counters
print(counters().decode())
"""


@pytest.mark.django_db
def test_scrape_of_a_new_platform_has_every_metric_of_rules_and_dashboards(client: Any, tmp_path: Path) -> None:
    """The counters as those of several processes, which have only series that exist; the figures from the database."""
    environment = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path), "WAYPOST_METRICS_BY": "none"}
    done = subprocess.run([sys.executable, "-c", SCRAPE], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    figures = client.get("/metrics").content.decode()
    scraped = {
        sample.name
        for family in text_string_to_metric_families(f"{done.stdout}\n{figures}")
        for sample in family.samples
    }
    assert {name for query in QUERIES.values() for name, _ in METRIC.findall(query)} - scraped == set()


def test_every_alert_has_a_test_a_severity_and_a_page_that_helps() -> None:
    tested = {
        test["alertname"]
        for path in RULE_TESTS
        for case in yaml.safe_load(path.read_text())["tests"]
        for test in case.get("alert_rule_test", [])
        if "exp_alerts" in test
    }
    for rule in rules():
        if "alert" in rule:
            assert rule["alert"] in tested
            assert rule["labels"]["severity"] in ("critical", "warning")
            page, _, heading = rule["annotations"]["runbook"].partition("#")
            headings = re.findall(r"^## (.+)$", (ROOT / page).read_text(), re.MULTILINE)
            assert heading in ("", *(it.lower().replace(" ", "-") for it in headings))


@pytest.mark.parametrize("word", ["check", "test"])
def test_promtool_accepts_the_rules(word: str) -> None:
    """Without promtool (Debian: prometheus) only the form of the rules is tested; .ci/run says so."""
    assert all(rule.keys() <= {"alert", "record", "expr", "for", "labels", "annotations"} for rule in rules())
    if program := shutil.which("promtool"):
        files = [str(it) for it in (RULE_TESTS if word == "test" else RULES) if it.name != "prometheus.yml"]
        done = subprocess.run(
            [program, word, "rules", *files], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_dashboards_are_what_the_script_writes(tmp_path: Path) -> None:
    script = ROOT / "ops" / "grafana" / "write_dashboards.py"
    subprocess.run([sys.executable, str(script), str(tmp_path)], check=True, capture_output=True)
    written = {path.stem: path.read_text() for path in tmp_path.glob("*.json")}
    assert {path.stem: path.read_text() for path in DASHBOARDS} == written


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda it: it.stem)
def test_panels_do_not_overlap_and_have_names_of_their_own(path: Path) -> None:
    places: set[tuple[int, int]] = set()
    panels = json.loads(path.read_text())["panels"]
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & places
        assert max(x for x, _ in cells) < 24
        places |= cells
    assert len({panel["id"] for panel in panels}) == len(panels)
