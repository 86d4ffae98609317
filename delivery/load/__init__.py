"""Measure how busy drains and publishers are, and decide whether the platform needs more capacity.

Belongs here: what a process measures of itself and reports every few seconds, and the decision made of all reports.
Drains and publishers call in; ``delivery.reading`` puts the reports together with the backlog.
"""
