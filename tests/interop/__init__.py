"""Try Waypost with the programs of others: one row for each combination, and what has to come out.

`make interop` prints the whole table; the tests run a short form of each row.

    matrix.py, receivers/   servers that Waypost sends to, by HTTP version and by the way they close connections
    tables.py               hosts by bodies, senders by messages: cells are tests that `make test` runs as they are
"""
