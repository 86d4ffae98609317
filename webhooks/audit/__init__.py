"""Record who changed what, when and from where, with the values before and after.

Belongs here: the entries of the audit, how requests become operations, and when entries are deleted. Triggers write the
entries (``webhooks/migrations/audit.sql``), so that none can be forgotten. Pages, the API and commands call in.
"""
