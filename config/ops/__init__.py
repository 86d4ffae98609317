"""Serve operators: logs, probes and metrics, storage, the watchdog of workers."""
