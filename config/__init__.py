"""Put the three apps together into the platform: settings, URLs, servers, REST conventions.

Nothing imports ``config``.
"""
