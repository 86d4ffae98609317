"""Replay dead letters and past events: filter, preview, slices at a rate, cancel.

Called by the REST API, the admin, ``manage.py replay`` and the periodic task. ``replays`` is the entry;
``dead_letters``, ``backfill`` (past events) and ``archived`` (archived ones) each know how to run one slice.
"""
