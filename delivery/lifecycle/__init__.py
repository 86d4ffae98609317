"""Change or end deliveries: cancel, retry now, set aside, erase, retention, recovery and sweep; report usage.

Called by the REST API, the admin and periodic tasks.
"""
