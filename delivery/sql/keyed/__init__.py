"""Find what may be claimed in lanes whose deliveries have keys: the first of each key, or only the latest.

Called by ``sql.claim`` and by the lanes of a drain.
"""
