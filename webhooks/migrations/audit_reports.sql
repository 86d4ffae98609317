-- One entry for each operation, with its note: the statement that changes the first row writes it. A statement that
-- changes no row writes none: PostgreSQL counts the rows that a session changes (track_counts, which autovacuum needs),
-- and a trigger before the statement keeps the count.
CREATE FUNCTION webhooks_audit_rows_changed(changed oid) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT pg_stat_get_xact_tuples_updated(changed) + pg_stat_get_xact_tuples_deleted(changed)
$$;

CREATE FUNCTION webhooks_audit_before_statement() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('waypost.rows_' || TG_RELID, webhooks_audit_rows_changed(TG_RELID)::text, true);
    RETURN NULL;
END
$$;

CREATE OR REPLACE FUNCTION webhooks_audit_statement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    running jsonb := webhooks_audit_operation();
    before bigint := coalesce(nullif(current_setting('waypost.rows_' || TG_RELID, true), '')::bigint, 0);
BEGIN
    IF running ->> 'origin' <> 'job'
        AND (webhooks_audit_rows_changed(TG_RELID) > before OR current_setting('track_counts') = 'off')
        AND NOT EXISTS (SELECT FROM webhooks_auditentry WHERE operation_id = (running ->> 'id')::uuid)
    THEN
        PERFORM webhooks_audit_write(
            running, NULL, 'performed', coalesce(nullif(running ->> 'object_type', ''), TG_ARGV[0]),
            coalesce(running ->> 'object_key', ''), running ->> 'object_name', '', NULL,
            CASE WHEN running ->> 'note' <> '' THEN jsonb_build_object('note', running ->> 'note') END
        );
    END IF;
    RETURN NULL;
END
$$;

CREATE FUNCTION webhooks_audit_count_before(changed regclass) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_before BEFORE UPDATE OR DELETE ON %s FOR EACH STATEMENT '
        'WHEN (current_setting(''waypost.audit'', true) <> '''') EXECUTE FUNCTION webhooks_audit_before_statement()',
        changed
    );
END
$$;

CREATE OR REPLACE FUNCTION webhooks_audit_work(changed regclass, object_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_work AFTER UPDATE OR DELETE ON %s FOR EACH STATEMENT '
        'WHEN (current_setting(''waypost.audit'', true) <> '''') EXECUTE FUNCTION webhooks_audit_statement(%L)',
        changed, object_type
    );
    PERFORM webhooks_audit_count_before(changed);
END
$$;

SELECT webhooks_audit_count_before(tgrelid::regclass) FROM pg_trigger WHERE tgname = 'audit_work';
