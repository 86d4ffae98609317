"""Talk to PostgreSQL below psycopg's cursors, for the statements of the hot paths.

Belongs here: parameters in the binary format, prepared statements of one connection, and repeating what a deadlock has
rolled back (``deadlocks``, which every room may call). The others only ``webhooks.kit.sql`` may call.
"""
