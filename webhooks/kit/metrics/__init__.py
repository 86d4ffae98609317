"""Metrics for Prometheus: counters and histograms that cost the hot path next to nothing.

``gathered`` counts in memory and writes once a second; ``broken_down`` adds the labels tenant and endpoint where the
setting WAYPOST_METRICS_BY names them; ``switch`` knows whether WAYPOST_METRICS is on, without which nothing is counted.
Any room may import this one; the metrics themselves are defined in ``webhooks.metrics`` and ``delivery.metrics``.
"""
