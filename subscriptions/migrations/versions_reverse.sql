-- Take versions.sql back: its functions, with the triggers and indexes that use them, its table and its sequences.

DROP FUNCTION subscriptions_endpoint_version, subscriptions_endpoint_part_changed, subscriptions_secrets_changed,
    subscriptions_routes_changed, subscriptions_event_types_changed, subscriptions_trigrams CASCADE;
DROP TABLE subscriptions_event_types_version;
DROP SEQUENCE subscriptions_routes_version, subscriptions_event_types_versions;
