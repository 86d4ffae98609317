"""Look at the platform itself, for the operator's rules: workers, broker, database, disk, archive."""
