-- The audit: triggers write an entry for every change, in the transaction of the change, SQL by hand included.
--
-- webhooks_audit_rows() puts triggers on a table that people set up: each changed row is an entry with the columns that
-- differ, before and after. Secrets are shown as ***. webhooks_audit_work() puts one on a table of work, such as
-- deliveries: a statement of a person's operation that changes any row is one entry, all others are none.
--
-- The setting waypost.audit says whose operation it is (webhooks.kit.audit); it is set for one transaction. Without it
-- the system has made the change.

CREATE FUNCTION webhooks_uuid7() RETURNS uuid LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT encode(set_byte(stamped, 6, (get_byte(stamped, 6) & 15) | 112), 'hex')::uuid
      FROM (SELECT overlay(uuid_send(gen_random_uuid()) PLACING
                substring(int8send((extract(epoch FROM clock_timestamp()) * 1000)::bigint) FROM 3) FROM 1 FOR 6)
           ) AS made(stamped)
$$;

CREATE FUNCTION webhooks_audit_write(
    operation jsonb, tenant uuid, action text, object_type text, object_key text, object_name text, part text,
    before jsonb, after jsonb
) RETURNS void LANGUAGE sql AS $$
    INSERT INTO webhooks_auditentry (
        id, created_at, tenant_id, actor_type, actor_id, actor_tenant_id, actor_name, origin, operation, operation_id,
        address, request_id, action, object_type, object_key, object_name, part, before, after
    ) VALUES (
        webhooks_uuid7(), clock_timestamp(), coalesce(tenant, (operation ->> 'tenant_id')::uuid),
        coalesce(operation ->> 'actor_type', 'system'), coalesce(operation ->> 'actor_id', ''),
        (operation ->> 'actor_tenant_id')::uuid,
        coalesce(operation ->> 'actor_name', ''), coalesce(operation ->> 'origin', 'system'),
        coalesce(operation ->> 'name', ''), (operation ->> 'id')::uuid,
        coalesce(operation ->> 'address', ''), coalesce(operation ->> 'request_id', ''), action, object_type,
        object_key, left(coalesce(object_name, ''), 256), part, before, after
    )
$$;

CREATE FUNCTION webhooks_audit_operation() RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT coalesce(nullif(current_setting('waypost.audit', true), '')::jsonb, '{}')
$$;

-- Arguments: object type, column of its key, column of the tenant, part, table of the whole, columns to leave out,
-- columns to hide.
CREATE FUNCTION webhooks_audit_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    old_row jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) END;
    new_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN '{}' ELSE to_jsonb(NEW) END;
    any_row jsonb := CASE WHEN TG_OP = 'DELETE' THEN old_row ELSE new_row END;
    object_key text := any_row ->> TG_ARGV[1];
    tenant uuid;
    before jsonb;
    after jsonb;
BEGIN
    SELECT jsonb_object_agg(name, CASE WHEN name = ANY(TG_ARGV[6]::text[]) THEN '"***"' ELSE old_row -> name END)
               FILTER (WHERE old_row -> name <> 'null'),
           jsonb_object_agg(name, CASE WHEN name = ANY(TG_ARGV[6]::text[]) THEN '"***"' ELSE new_row -> name END)
               FILTER (WHERE new_row -> name <> 'null')
      INTO before, after
      FROM jsonb_object_keys(any_row) AS name
     WHERE old_row -> name IS DISTINCT FROM new_row -> name AND name <> ALL(TG_ARGV[5]::text[]);
    IF before IS NULL AND after IS NULL THEN
        RETURN NULL;
    END IF;
    IF TG_ARGV[4] <> '' THEN
        EXECUTE format('SELECT tenant_id FROM %I WHERE id = $1', TG_ARGV[4]) INTO tenant USING object_key::uuid;
    ELSIF TG_ARGV[2] <> '' THEN
        tenant := (any_row ->> TG_ARGV[2])::uuid;
    END IF;
    PERFORM webhooks_audit_write(
        webhooks_audit_operation(), tenant,
        CASE TG_OP WHEN 'INSERT' THEN 'created' WHEN 'UPDATE' THEN 'changed' ELSE 'deleted' END,
        TG_ARGV[0], object_key, coalesce(nullif(any_row ->> 'name', ''), any_row ->> 'username', any_row ->> 'uid'),
        TG_ARGV[3], before, after
    );
    RETURN NULL;
END
$$;

-- One entry for each operation: the statement that changes the first row writes it.
CREATE FUNCTION webhooks_audit_statement() RETURNS trigger LANGUAGE plpgsql AS $$
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

CREATE FUNCTION webhooks_audit_rows(
    changed regclass, object_type text, key text DEFAULT 'id', tenant text DEFAULT 'tenant_id', part text DEFAULT '',
    whole text DEFAULT '', left_out text[] DEFAULT '{}', hidden text[] DEFAULT '{}'
) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := format('%L, %L, %L, %L, %L, %L, %L', object_type, key, tenant, part, whole, left_out, hidden);
    differs text := (
        SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', attname), ' OR ')
          FROM pg_attribute
         WHERE attrelid = changed AND attnum > 0 AND NOT attisdropped AND attname <> ALL(left_out) AND attgenerated = ''
    );
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_rows AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION webhooks_audit_row(%s)',
        changed, arguments
    );
    EXECUTE format(
        'CREATE TRIGGER audit_changes AFTER UPDATE ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION webhooks_audit_row(%s)',
        changed, differs, arguments
    );
END
$$;

CREATE FUNCTION webhooks_audit_work(changed regclass, object_type text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(
        'CREATE TRIGGER audit_work AFTER UPDATE OR DELETE ON %s FOR EACH STATEMENT '
        'WHEN (current_setting(''waypost.audit'', true) <> '''') EXECUTE FUNCTION webhooks_audit_statement(%L)',
        changed, object_type
    );
END
$$;

-- Entries are never changed, and deleted only when they are too old (webhooks.audit.retention).
CREATE FUNCTION webhooks_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'entries of the audit are neither changed nor deleted' USING ERRCODE = 'insufficient_privilege';
END
$$;
CREATE TRIGGER append_only BEFORE UPDATE ON webhooks_auditentry FOR EACH ROW EXECUTE FUNCTION webhooks_audit_refuse();
CREATE TRIGGER expired_only BEFORE DELETE ON webhooks_auditentry FOR EACH STATEMENT
    WHEN (current_setting('waypost.audit_expiry', true) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION webhooks_audit_refuse();

SELECT webhooks_audit_rows('webhooks_source', 'source',
    left_out => '{updated_at,failing_reason,failing_reported_at}', hidden => '{credentials,verify_token}');
SELECT webhooks_audit_rows('webhooks_sourcesecret', 'source', key => 'source_id', part => 'secret',
    whole => 'webhooks_source', hidden => '{ciphertext}');
SELECT webhooks_audit_rows('webhooks_receiptreplay', 'receiptreplay',
    left_out => '{sliced_at,total,is_lower_bound,replayed,source_cursor,cursor}');
SELECT webhooks_audit_work('webhooks_receipt', 'receipt');
SELECT webhooks_audit_work('webhooks_sourcepartition', 'sourcepartition');
