"""Give Prometheus the counters of all processes of a machine, and the figures of the platform.

Counters are defined in ``delivery.metrics`` and ``webhooks.metrics``; here are the figures that are read at each
scrape, and the text that is served. Belongs here: what only the metrics need. ``docs/reference/metrics.md`` lists all.
"""
