"""The operators' pages of the receiver: they read, replay receipts, and pause sources.

Nothing here shows a secret or counts a table. Bodies and headers are other people's text: escaped, and cut. The
pages use django-unfold where it is installed and Django's own admin where it is not.
"""

from webhooks.admin import receipts, rejections, sources

__all__ = ["receipts", "rejections", "sources"]
