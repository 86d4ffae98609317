"""Deliver what is due: the drain, from claim to settle, and what an outcome means (verdict).

Belongs here: the loop and its steps. What it leases is in ``delivery.lanes``. Called by tasks and commands.
"""
