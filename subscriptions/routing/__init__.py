"""Route events to endpoints: the snapshot of each tenant's route table, compiled patterns, and delivery targets.

Belongs here: which endpoints receive an event, why one does not, and what an attempt at an endpoint needs.
Reads only. Called by ``delivery`` and, for explanations, by the REST API.
"""
