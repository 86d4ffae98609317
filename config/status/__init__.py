"""Show operators how busy the platform is: ``/status/``, ``GET /api/v1/status/``, gauges, the page Capacity.

Belongs here: what puts the figures of the provider and of the receiver together, and the views that show them.
"""
