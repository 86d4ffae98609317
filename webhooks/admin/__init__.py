"""Show operators the receiver's sources, receipts and rejections, and let them change sources and replay receipts.

Belongs here: admin pages, thin: fetch, call one function, respond. No page shows a secret again or counts a table;
bodies and headers are escaped and cut. Django's admin calls in, nothing else does.
"""

from webhooks.admin import receipt_replays as receipt_replays
from webhooks.admin import receipts as receipts
from webhooks.admin import rejections as rejections
from webhooks.admin import sources as sources
from webhooks.admin.audit import entries as entries
