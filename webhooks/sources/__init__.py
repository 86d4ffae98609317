"""Configure sources and keep their snapshot in memory: validation, secret rotation, statistics, test messages.

Called by ``receiving``, the REST API and the admin.
"""
