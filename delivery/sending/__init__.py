"""Deliver what is due: the drain and what it needs to decide (leased lanes, concurrency, breaker, verdict, backoff).

Belongs here: the loop from claim to settle, and the pure functions it asks. Called by tasks and commands.
"""
