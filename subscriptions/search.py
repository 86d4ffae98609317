"""Find tenants and endpoints by a part of their name, external id, description or URL, ignoring case.

The index holds the three-character parts (trigrams) of each text; rows that have all trigrams of the term are compared
with it. Terms of fewer than three characters find nothing: they would read every row.
"""

from uuid import UUID

from webhooks.kit.sql import run

SHORTEST = 3  # characters of a term
LONGEST = 200  # characters of a term that are compared
LIMIT = 50  # rows of one search

# Reader: the searches of the admin. Index: tenant_by_trigrams.
FIND_TENANTS = """
SELECT id FROM subscriptions_tenant
 WHERE subscriptions_trigrams(name || ' ' || coalesce(uid, '')) @> subscriptions_trigrams(%(term)s::text)
   AND strpos(lower(name || ' ' || coalesce(uid, '')), lower(%(term)s::text)) > 0
 ORDER BY deleted_at IS NOT NULL, lower(name) <> lower(%(term)s::text), name LIMIT %(limit)s
"""
# Reader: the same. Indexes: endpoint_by_trigrams, http_settings_by_trigrams, the primary key.
FIND_ENDPOINTS = """
WITH found AS (
    SELECT id FROM subscriptions_endpoint
     WHERE subscriptions_trigrams(description || ' ' || coalesce(uid, '')) @> subscriptions_trigrams(%(term)s::text)
       AND strpos(lower(description || ' ' || coalesce(uid, '')), lower(%(term)s::text)) > 0
     UNION
    SELECT endpoint_id FROM subscriptions_httpsettings
     WHERE subscriptions_trigrams(url) @> subscriptions_trigrams(%(term)s::text)
       AND strpos(lower(url), lower(%(term)s::text)) > 0
)
SELECT e.id FROM found JOIN subscriptions_endpoint e ON e.id = ANY(ARRAY[found.id])
 ORDER BY e.deleted_at IS NOT NULL, e.id DESC LIMIT %(limit)s
"""


def find_tenants(term: str, limit: int = LIMIT) -> list[UUID]:
    """Return the tenants whose name or external id contains the term, those with exactly this name first."""
    return _find(FIND_TENANTS, term, limit)


def find_endpoints(term: str, limit: int = LIMIT) -> list[UUID]:
    """Return the endpoints whose URL, description or external id contains the term, the newest first."""
    return _find(FIND_ENDPOINTS, term, limit)


def _find(statement: str, term: str, limit: int) -> list[UUID]:
    text = term.strip()[:LONGEST]
    if len(text) < SHORTEST or "\0" in text:
        return []
    return [row[0] for row in run(statement, {"term": text, "limit": limit})]
