"""Serve what hangs off an endpoint and concerns delivery: lane status, statistics, test deliveries, verification."""
