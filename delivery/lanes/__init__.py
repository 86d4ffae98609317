"""Lease lanes, one for each endpoint, and decide what may be sent in one: concurrency, rate, breaker, health, order.

Belongs here: the state of a lane that a drain keeps in memory, and the pure functions it decides with. Nothing here
sends. Called by ``delivery.sending``, and by pages that show lanes.
"""
