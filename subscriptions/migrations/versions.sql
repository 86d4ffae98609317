-- Triggers keep the versions that tell a process when its snapshot is stale, so that no writer can forget to:
-- Endpoint.version (how an endpoint is sent to), Tenant.routes_version (who gets what), and one number for all event types.
-- The last two come from sequences: a number that was rolled back is never given again.

CREATE FUNCTION subscriptions_endpoint_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    NEW.secrets_changed_at := greatest(NEW.secrets_changed_at, OLD.secrets_changed_at);
    RETURN NEW;
END $$;
CREATE TRIGGER endpoint_version BEFORE UPDATE ON subscriptions_endpoint
    FOR EACH ROW EXECUTE FUNCTION subscriptions_endpoint_version();

CREATE FUNCTION subscriptions_endpoint_part_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_endpoint SET version = version WHERE id IN (SELECT endpoint_id FROM changed);
    RETURN NULL;
END $$;

-- The first secret of an endpoint, which is inserted with it, is no change.
CREATE FUNCTION subscriptions_secrets_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_endpoint e
       SET secrets_changed_at = CASE WHEN TG_OP <> 'INSERT' OR EXISTS (
               SELECT FROM subscriptions_signingsecret s
                WHERE s.endpoint_id = e.id AND s.id NOT IN (SELECT id FROM changed))
           THEN clock_timestamp() ELSE secrets_changed_at END
     WHERE id IN (SELECT endpoint_id FROM changed);
    RETURN NULL;
END $$;

CREATE SEQUENCE subscriptions_routes_version;
CREATE FUNCTION subscriptions_routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_tenant SET routes_version = nextval('subscriptions_routes_version')
     WHERE id IN (SELECT tenant_id FROM changed);
    RETURN NULL;
END $$;

CREATE TRIGGER secret_insert AFTER insert ON subscriptions_signingsecret
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_secrets_changed();

CREATE TRIGGER secret_update AFTER update ON subscriptions_signingsecret
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_secrets_changed();

CREATE TRIGGER secret_delete AFTER delete ON subscriptions_signingsecret
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_secrets_changed();

CREATE TRIGGER http_insert AFTER insert ON subscriptions_httpsettings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER http_update AFTER update ON subscriptions_httpsettings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER http_delete AFTER delete ON subscriptions_httpsettings
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER destination_insert AFTER insert ON subscriptions_destinationsettings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER destination_update AFTER update ON subscriptions_destinationsettings
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER destination_delete AFTER delete ON subscriptions_destinationsettings
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_endpoint_part_changed();

CREATE TRIGGER endpoint_insert AFTER insert ON subscriptions_endpoint
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER endpoint_update AFTER update ON subscriptions_endpoint
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER endpoint_delete AFTER delete ON subscriptions_endpoint
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER subscription_insert AFTER insert ON subscriptions_subscription
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER subscription_update AFTER update ON subscriptions_subscription
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER subscription_delete AFTER delete ON subscriptions_subscription
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER grant_insert AFTER insert ON subscriptions_grant
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER grant_update AFTER update ON subscriptions_grant
    REFERENCING NEW TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TRIGGER grant_delete AFTER delete ON subscriptions_grant
    REFERENCING OLD TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_routes_changed();

CREATE TABLE subscriptions_event_types_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL);
CREATE SEQUENCE subscriptions_event_types_versions;
CREATE FUNCTION subscriptions_event_types_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO subscriptions_event_types_version (version) VALUES (nextval('subscriptions_event_types_versions'))
        ON CONFLICT (one) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER eventtype_changed AFTER INSERT OR UPDATE OR DELETE ON subscriptions_eventtype
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_event_types_changed();
CREATE TRIGGER eventschema_changed AFTER INSERT OR UPDATE OR DELETE ON subscriptions_eventschema
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_event_types_changed();

-- Search for parts of names, URLs and external ids (subscriptions/search.py): an index of the three-character parts of a
-- text, without the extension pg_trgm, which not every server has.
CREATE FUNCTION subscriptions_trigrams(content text) RETURNS text[] LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT AS $$
    SELECT coalesce(array_agg(DISTINCT substr(lower(content), place, 3)), '{}')
      FROM generate_series(1, length(content) - 2) AS place
$$;
CREATE INDEX tenant_by_trigrams ON subscriptions_tenant
    USING gin (subscriptions_trigrams(name || ' ' || coalesce(uid, '')));
CREATE INDEX endpoint_by_trigrams ON subscriptions_endpoint
    USING gin (subscriptions_trigrams(description || ' ' || coalesce(uid, '')));
CREATE INDEX http_settings_by_trigrams ON subscriptions_httpsettings USING gin (subscriptions_trigrams(url));
