"""Share the conventions of all REST requests: problems, idempotency keys, entity tags, shares of costly requests.

A project that serves the API takes its settings from ``project``.
"""
