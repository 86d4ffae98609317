"""Receive a webhook: limit, read, verify, deduplicate, store, notify a worker, respond.

Belongs here: everything between the first byte of a request to ``/in/<source>/`` and its response. Called by the web
server and the URL conf, and by the REST API and the admin for test messages and bodies. A message's way from the socket
to its response, in four files:

1. ``config.web.application``   the web server's ASGI application: headers, the client, the body's chunks
2. ``native_inbound``           the source, and waiting in an event loop; in other projects: ``inbound_view``
3. ``receive``                  the steps of one message, and the response to each outcome
4. ``insert_receipt``           the row, by group commit; the unique constraint finds duplicates

``verification`` decides without I/O, and each of the other files is one step of ``receive``.
"""
