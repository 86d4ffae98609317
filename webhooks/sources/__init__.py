"""Configure sources and cache them in memory: models, validation, secret rotation, labels of messages, statistics.

Belongs here: everything about a source that does not depend on the caller. Called by ``receiving``, ``processing``, the
REST API and the admin.
"""
