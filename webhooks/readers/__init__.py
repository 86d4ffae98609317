"""Read sources that are not HTTP: lease a partition, fetch its records, store them as receipts, acknowledge them.

Called by the task ``webhooks.read_sources``, by REST and by the admin. Read ``slices`` first, then ``store``.
"""
