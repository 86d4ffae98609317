"""Define one management command per module."""
