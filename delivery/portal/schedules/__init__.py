"""Serve the pages of schedules: the list, one schedule, and the form that creates and edits them."""
