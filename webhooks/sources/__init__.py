"""Configure sources and cache them in memory: models, validation, secret rotation, labels of messages, statistics.

Belongs here: what is true of a source, whoever asks. Called by ``receiving``, ``processing``, the REST API and the
admin.
"""
