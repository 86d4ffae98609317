"""Receive a webhook: limit, read, verify, deduplicate, store, notify a worker, respond.

Belongs here: everything between the first byte of a request to ``/in/<source>/`` and its response. Called by the URL
conf, and by the REST API and the admin for test messages and bodies. A message from socket to row, in reading order:

1. ``inbound_view``         the view: finds the source, and turns a result into an HTTP response
2. ``request_body``         the request with its body still unread: length, chunks, size and time limits
3. ``receive``              the steps of one message, and the response to each outcome
4. ``kit.claim_check``      the body: inline up to 64 KiB, else an object in storage
5. ``insert_receipt``       the row, by group commit; the unique constraint finds duplicates

Each of the other files is one step of ``receive``.
"""
