"""Manage event types: their schemas in versions, import and export, and the check of published events.

Called by the REST API, the admin and commands; ``delivery.publishing`` calls ``schema_check``.
"""
