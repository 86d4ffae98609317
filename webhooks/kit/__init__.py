"""Share Django code without product rules: group commit, SQL runner, caches, counters, notify, rate limit, encryption.

Belongs here: mechanisms that at least two rooms use. The kit knows no tenant, source, endpoint or event. All three apps
may call in.
"""
