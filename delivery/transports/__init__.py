"""Carry one attempt to its destination. Each kind of destination is one transport behind the same seam.

Transports know nothing of lanes, plans and rows; they turn a request into an ``Outcome``. Called by ``sending`` only.
"""
