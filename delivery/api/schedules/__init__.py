"""The REST resources of schedules."""
