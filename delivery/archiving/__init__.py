"""Archive old events in object storage before retention deletes them, and read them there.

An object holds events of one tenant and hour, with their deliveries, attempts and dead letters, as lines of JSON that
are compressed with Zstandard. A row of ``Archive`` names each object, with its digest. Belongs here: the rows, the
lines, the storage, and the step from one to the other. Retention, erasures, replays and ``manage.py archives`` call in.

    archive       choose, write, then delete: the steps in order
    lines         one event as one line, and back
    storage       write and read objects; raises ArchiveDown and ArchiveChanged
    verify        compare objects with their rows, find objects without a row
"""
