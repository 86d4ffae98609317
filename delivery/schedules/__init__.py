"""Publish events at times: schedules, each an expression in a time zone with the template of an event.

Called by the REST API, the admin and the schedule task. Read ``due`` for how occurrences are published once.
"""
