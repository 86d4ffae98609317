"""Accept a webhook: limit its size, verify its signature as it streams, deduplicate, store, notify, respond.

Belongs here: everything between the first byte of a request to ``/in/<source>/`` and its response. Called by the URL
conf and by the test message of ``sources``.
"""
