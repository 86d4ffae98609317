"""Back up the platform into a directory, and restore it from there: ``manage.py backup`` and ``manage.py restore``.

postgresql    dump a database, and restore one, by the programs of PostgreSQL
directory     the directory of a backup: the dump, local large bodies, and what is needed to read them
"""
