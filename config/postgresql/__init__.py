"""Connect to PostgreSQL as Django does, and make sure first that the embedded server runs."""
