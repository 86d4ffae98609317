"""Connect to PostgreSQL as Django does: the embedded server is started first, and requests may use a pooler."""
