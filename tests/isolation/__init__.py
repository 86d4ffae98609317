"""Measure whether a tenant or an anonymous client can slow down its neighbours.

    python -m tests.isolation --only 4,11     # or: make isolation ARGS="--only 4,11"

``attacks/`` has one function per attack, ``neighbour_process`` what the neighbour does meanwhile, ``run`` the order of
things, ``report`` the table in docs/why/isolation.md. ``test_short`` runs some of them as tests, without times.
"""
