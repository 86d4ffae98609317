"""Publish the platform's own events, and dead-letter deliveries, each with its operational event.

Every room that creates, sends or ends deliveries may call in.
"""
