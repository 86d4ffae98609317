"""Try Waypost with the programs of others: one row for each combination, and what has to come out.

`make interop` prints the whole table; the tests run a short form of each row.
"""
