"""Talk to PostgreSQL below psycopg's cursors, for the statements of the hot paths.

Belongs here: parameters in the binary format, and prepared statements of one connection. Only ``webhooks.kit.sql``
may call in.
"""
