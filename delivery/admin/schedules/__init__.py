"""The admin's pages of schedules."""
