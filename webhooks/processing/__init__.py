"""Run handlers on stored receipts: registry, claims, timeouts, order, retries, replay and the sweep.

Works from rows alone, never from a request. Called by tasks, commands, the REST API and the admin.
"""
