"""Write the dashboards of Grafana as JSON: ``python ops/grafana/write_dashboards.py [FOLDER]``.

``dashboards`` lists them. A test compares the files beside this one with what this writes, and the metrics of each
query with those that a scrape has.
"""

import json
import sys
from pathlib import Path
from typing import Any

from dashboards import DASHBOARDS, Row
from panels import HEIGHT

WIDTH = 24  # columns of a dashboard


def dashboard(name: str) -> str:
    """Return a dashboard as JSON."""
    title, description, variables, rows = DASHBOARDS[name]
    source = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    made = {
        "uid": f"waypost-{name}",
        "title": title,
        "description": description,
        "tags": ["waypost"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [source, *variables]},
        "panels": _laid_out(rows),
    }
    return json.dumps(made, indent=1) + "\n"


def _laid_out(rows: list[Row]) -> list[dict[str, Any]]:
    """Return the panels with their places: statistics in one line, charts three in a line."""
    panels: list[dict[str, Any]] = []
    y = 0
    for title, content in rows:
        place = {"x": 0, "y": y, "w": WIDTH, "h": 1}
        panels.append({"id": len(panels) + 1, "type": "row", "title": title, "gridPos": place, "panels": []})
        y += 1
        for kind in ("stat", "timeseries"):
            chosen = [it for it in content if it.kind == kind]
            in_line = max(len(chosen), 1) if kind == "stat" else 3
            for begin in range(0, len(chosen), in_line):
                width = WIDTH // in_line
                for column, panel in enumerate(chosen[begin : begin + in_line]):
                    panels.append(panel.write(len(panels) + 1, column * width, y, width))
                y += HEIGHT[kind]
    return panels


def main(folder: Path) -> None:
    """Write all dashboards into a folder."""
    for name in DASHBOARDS:
        (folder / f"{name}.json").write_text(dashboard(name))
        sys.stdout.write(f"{name}.json\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parent)
