"""Database engine of the suite: the embedded PostgreSQL, started without fsync.

Its data are thrown away when the suite ends, and tests kill processes, not machines: what a server has written to its
files is still there when another one opens them. With fsync, a checkpoint writes all that the suite has changed through
to the disk, more than a minute for each CREATE or DROP DATABASE of a test. Platforms that tests start as processes run
with the product's own settings.

base.py       the engine, which starts the server at the first connection
__main__.py   the keeper of such a server
"""
