"""Upgrade the database to this version while the platform runs, and roll it back: `upgrade` and `rollback`.

    hazards      what a migration does to processes of the version before, and to a table that is in use
    pending      the migrations to apply, with their hazards and the sizes of the tables
    checks       what has to be in order before anything is changed
    apply        run one migration, with a lock_timeout and retries
    versions     read and write which version has installed which migrations (models)
    run          upgrade: the steps in order
    rollback     take the migrations of a version back

Called by the commands of the same names, and `pending` and `apply` by `up`, which migrates at its start.
"""
