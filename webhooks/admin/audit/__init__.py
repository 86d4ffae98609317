"""Show what the audit has recorded: all entries, and the history of one row."""
