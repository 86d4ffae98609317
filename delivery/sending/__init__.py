"""Deliver what is due: the drain, and what it decides with (leased lanes, concurrency, breaker, verdict).

Belongs here: the loop from claim to settle, and the pure functions it calls. Called by tasks and commands.
"""
