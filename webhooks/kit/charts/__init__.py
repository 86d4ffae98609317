"""Draw figures over time as charts, and write times, in the time zone of the viewer.

Belongs here: the division of time, the shapes of charts, the zone. Pages of all three apps call in.
"""
