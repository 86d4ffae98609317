"""Send to destinations with an API over HTTPS, by the curl engine of webhooks, many messages in one request.

Belongs here: the transport, its groups and access tokens, and what kinds of AWS have in common. The kinds are in
``delivery.destinations``.
"""
