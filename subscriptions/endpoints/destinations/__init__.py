"""Keep what endpoints of every kind but ``http`` have: the registry of kinds, their settings and the rules for them.

A kind itself is one file in ``delivery.destinations``, named in ``registry.FILES`` and imported at its first use.
Called by ``subscriptions.endpoints``, the REST API and the admin; ``routing`` reads the settings for deliveries.
"""
