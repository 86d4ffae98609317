"""Change or end what is pending: cancel, send now, set aside; retention, erasure, the sweep, usage.

Called by the REST API, the admin and periodic tasks.
"""
