"""Keep counts of the platform, its tenants and its endpoints over time, and the present backlog.

Belongs here: the tables of both, what measures and rolls up, what reads them for charts, rankings and the history.
Drains and the fold of usage add to the counts by ``delivery.sql.figures``; pages and the API read them here.
"""
