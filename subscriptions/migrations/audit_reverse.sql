-- Take the triggers of audit.sql on the tables of Django back. Those on the tables of this app go with them.

DO $$
DECLARE
    audited text;
BEGIN
    FOREACH audited IN ARRAY ARRAY['auth_user', 'auth_user_groups', 'auth_user_user_permissions', 'auth_group'] LOOP
        IF to_regclass(audited) IS NOT NULL THEN
            EXECUTE format('DROP TRIGGER IF EXISTS audit_rows ON %I', audited);
            EXECUTE format('DROP TRIGGER IF EXISTS audit_changes ON %I', audited);
        END IF;
    END LOOP;
END
$$;
