"""Carry one attempt to its destination. Each kind of destination is one transport behind the same seam.

Belongs here: the seam (``transport``), the registry, and one folder or file for each kind. Transports know nothing of
lanes, retry plans and rows: they turn a claimed delivery into an ``Outcome``. Called by ``sending`` and ``testing``;
``reading`` composes previews.
"""
