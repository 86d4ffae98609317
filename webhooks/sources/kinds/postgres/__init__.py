"""Read PostgreSQL databases of others: rows of an outbox table, and changes of tables by logical replication.

connect.py         settings of both kinds; connections to checked addresses, with deadlines; errors as sentences
tables.py          names of tables, and their columns by the catalog
outbox.py          the kind postgres_outbox
outbox_rows.py     what to read next in a table, so that a late commit is not skipped
changes.py         the kind postgres_changes
change_reader.py   its reader: the first copy, then the changes
changed_tables.py  the tables whose changes are read
slot.py            the publication and the replication slot
peek.py            peek at the changes behind the slot, in bounded memory
copy.py            the first copy of the tables, consistent with the changes
change_record.py   make a record of a change
pgoutput.py        decode the messages of the output plug-in (pure)
values.py          values in text form as JSON (pure)
"""
