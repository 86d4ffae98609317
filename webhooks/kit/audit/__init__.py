"""Say whose operation writes to the database, so that the audit can record it with each change.

Belongs here: the operation that is running, and how the database learns of it. The entries are in ``webhooks.audit``.
Requests, commands and periodic tasks begin an operation; ``webhooks.kit.sql`` and the ORM announce it as they write.
"""
