"""Try Waypost with the programs of others: one row for each combination, and what has to come out.

`make interop` prints the whole table; the tests run a short form of each row.

    matrix.py, receivers/   servers that Waypost sends to, by HTTP version and by the way they close connections
    tables.py               hosts by bodies, senders by messages: cells are tests that `make test` runs as they are
"""

import os

import django
from django.apps import apps

if not apps.ready:  # as a program; the tests have done it
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    django.setup()
