"""Serve ``/events/``: read a request in any of four forms, publish it, and show what was published."""
