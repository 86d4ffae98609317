"""Write panels and variables as Grafana reads them, and the queries that panels share."""

from dataclasses import dataclass
from typing import Any

DATA_SOURCE = {"type": "prometheus", "uid": "${source}"}
HEIGHT = {"stat": 4, "timeseries": 8}  # rows of a dashboard, by the kind of a panel
QUANTILES = (("0.5", "p50"), ("0.95", "p95"), ("0.99", "p99"))


@dataclass(frozen=True)
class Panel:
    """A panel of Grafana.

    ``unit`` is a unit of Grafana; ``queries`` are queries of Prometheus with their legends. A value of ``red_from`` or
    more is shown in red.
    """

    title: str
    unit: str
    queries: tuple[tuple[str, str], ...]
    kind: str = "timeseries"
    description: str = ""
    stacked: bool = False
    red_from: float | None = None

    def write(self, number: int, x: int, y: int, width: int) -> dict[str, Any]:
        """Return the panel as Grafana reads it."""
        steps: list[dict[str, Any]] = [{"color": "green" if self.kind == "stat" else "text", "value": None}]
        if self.red_from is not None:
            steps.append({"color": "red", "value": self.red_from})
        defaults: dict[str, Any] = {"unit": self.unit, "min": 0, "thresholds": {"mode": "absolute", "steps": steps}}
        if self.kind == "timeseries":
            stacking = {"mode": "normal" if self.stacked else "none"}
            defaults["custom"] = {"fillOpacity": 20 if self.stacked else 0, "stacking": stacking, "showPoints": "never"}
        options: dict[str, Any] = (
            {"colorMode": "background" if self.red_from is not None else "value", "reduceOptions": {"calcs": ["last"]}}
            if self.kind == "stat"
            else {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi"}}
        )
        return {
            "id": number,
            "type": self.kind,
            "title": self.title,
            "description": self.description,
            "datasource": DATA_SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": HEIGHT[self.kind]},
            "fieldConfig": {"defaults": defaults, "overrides": []},
            "options": options,
            "targets": [
                {"refId": chr(ord("A") + place), "datasource": DATA_SOURCE, "expr": query, "legendFormat": legend}
                for place, (query, legend) in enumerate(self.queries)
            ],
        }


def stat(title: str, query: str, unit: str = "short", *, red_from: float | None = None, description: str = "") -> Panel:
    """Return a panel with the latest value of a query."""
    return Panel(title, unit, ((query, ""),), "stat", description, red_from=red_from)


def lines(title: str, unit: str, *queries: tuple[str, str], description: str = "") -> Panel:
    """Return a panel with a line for each series."""
    return Panel(title, unit, queries, description=description)


def areas(title: str, unit: str, *queries: tuple[str, str], description: str = "") -> Panel:
    """Return a panel with stacked areas."""
    return Panel(title, unit, queries, description=description, stacked=True)


def quantiles(title: str, metric: str, where: str = "", description: str = "") -> Panel:
    """Return a panel with the median, the 95th and the 99th percentile of a histogram."""
    buckets = f"sum by (le) (rate({metric}_bucket{where}[$__rate_interval]))"
    queries = [(f"histogram_quantile({part}, {buckets})", name) for part, name in QUANTILES]
    return lines(title, "s", *queries, description=description)


def rate(metric: str, by: str, where: str = "") -> str:
    """Return the query of a counter's rate by a label."""
    return f"sum by ({by}) (rate({metric}{where}[$__rate_interval]))"


def variable(name: str, query: str) -> dict[str, Any]:
    """Return a variable with the values of a label."""
    return {
        "name": name,
        "label": name.title(),
        "type": "query",
        "datasource": DATA_SOURCE,
        "query": {"query": query, "refId": name},
        "refresh": 2,
        "sort": 1,
    }
