"""Send to destinations that have a protocol and a client library of their own, on few threads.

Belongs here: the transport and its connections. The kinds are in ``delivery.destinations``.
"""
