"""The statements of schedules: whose turn it is, and what their workers write."""
