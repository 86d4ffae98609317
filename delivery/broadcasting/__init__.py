"""Publish one event for every tenant, or for those with some labels: count, slices at a rate, cancel.

Called by the REST API and by the periodic task. Slices and turns are those of replays, in small.
"""
