"""Keep what only endpoints of the kind ``http`` have: their settings and the rules for them.

Called by ``subscriptions.endpoints`` and, for what is sent, by ``subscriptions.routing``.
"""
