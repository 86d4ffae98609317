"""Repair what a crash, a late commit, an outage or a step of the database's clock left behind.

Called by drains and by ``delivery.lifecycle``. Locked rows are skipped.
"""
