"""Serve the index of the archive. Events are sent again from it by a replay of the scope ``archived``."""
