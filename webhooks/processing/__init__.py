"""Run handlers on stored receipts: registry, claims, time limits, order, retries, replays and the sweep.

Works from rows alone, never from a request. Called by tasks, commands, ``receiving``, the REST API and the admin.
"""
