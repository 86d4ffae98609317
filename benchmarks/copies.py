"""Copy an endpoint in the database, with its secret and subscription: 10,000 over REST would take minutes."""

# Parameters: uids, urls and event types of the copies; the uid of the endpoint that is copied.
ENDPOINTS = """
WITH wanted AS MATERIALIZED (
    SELECT uuidv7() AS id, uid, url, substring(url FROM '^[a-z]+://[^/]+') AS origin, type
      FROM unnest(%s::text[], %s::text[], %s::text[]) AS it (uid, url, type)
), model AS MATERIALIZED (
    SELECT id FROM subscriptions_endpoint WHERE uid = %s AND deleted_at IS NULL
), endpoints AS (
    INSERT INTO subscriptions_endpoint
    SELECT (jsonb_populate_record(e, jsonb_build_object('id', w.id, 'uid', w.uid))).*
      FROM wanted w, subscriptions_endpoint e WHERE e.id = (SELECT id FROM model)
), settings AS (
    INSERT INTO subscriptions_httpsettings
    SELECT (jsonb_populate_record(s, jsonb_build_object('endpoint_id', w.id, 'url', w.url, 'origin', w.origin))).*
      FROM wanted w, subscriptions_httpsettings s WHERE s.endpoint_id = (SELECT id FROM model)
), secrets AS (
    INSERT INTO subscriptions_signingsecret
    SELECT (jsonb_populate_record(s, jsonb_build_object('id', uuidv7(), 'endpoint_id', w.id))).*
      FROM wanted w, subscriptions_signingsecret s WHERE s.endpoint_id = (SELECT id FROM model)
)
INSERT INTO subscriptions_subscription
       (id, created_at, tenant_id, endpoint_id, event_types, pattern, transformer, description, active, updated_at)
SELECT uuidv7(), s.created_at, s.tenant_id, w.id, ARRAY[w.type, 'bench.all'],
       s.pattern, s.transformer, s.description, s.active, s.updated_at
  FROM wanted w, subscriptions_subscription s WHERE s.endpoint_id = (SELECT id FROM model)
"""
