DO $$
DECLARE
    changed regclass;
BEGIN
    FOR changed IN SELECT tgrelid::regclass FROM pg_trigger WHERE tgname = 'audit_before' LOOP
        EXECUTE format('DROP TRIGGER audit_before ON %s', changed);
    END LOOP;
END
$$;

CREATE OR REPLACE FUNCTION webhooks_audit_work(changed regclass, object_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_work AFTER UPDATE OR DELETE ON %s FOR EACH STATEMENT '
        'WHEN (current_setting(''waypost.audit'', true) <> '''') EXECUTE FUNCTION webhooks_audit_statement(%L)',
        changed, object_type
    );
END
$$;

CREATE OR REPLACE FUNCTION webhooks_audit_statement() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    running jsonb := webhooks_audit_operation();
BEGIN
    IF running ->> 'origin' <> 'job'
        AND NOT EXISTS (SELECT FROM webhooks_auditentry WHERE operation_id = (running ->> 'id')::uuid)
    THEN
        PERFORM webhooks_audit_write(
            running, NULL, 'performed', coalesce(nullif(running ->> 'object_type', ''), TG_ARGV[0]),
            coalesce(running ->> 'object_key', ''), running ->> 'object_name', '', NULL, NULL
        );
    END IF;
    RETURN NULL;
END
$$;

DROP FUNCTION webhooks_audit_count_before(regclass);
DROP FUNCTION webhooks_audit_before_statement();
DROP FUNCTION webhooks_audit_rows_changed(oid);
