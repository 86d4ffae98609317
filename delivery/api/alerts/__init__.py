"""The REST resources of alert rules and alerts."""
