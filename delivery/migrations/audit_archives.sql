-- An entry for each object of the archive that an erasure has written anew: which one, before and after, and by which
-- erasure. Retention itself has none: it writes and deletes by the rule that the tenant's settings say.
CREATE TRIGGER audit_changes AFTER UPDATE ON delivery_archive FOR EACH ROW
    WHEN (OLD.key IS DISTINCT FROM NEW.key)
    EXECUTE FUNCTION webhooks_audit_row('archive', 'id', 'tenant_id', '', '', '{}', '{}');

-- The progress of an erasure in the archive has no entries, as that in the tables.
DROP TRIGGER audit_rows ON delivery_erasure;
DROP TRIGGER audit_changes ON delivery_erasure;
SELECT webhooks_audit_rows('delivery_erasure', 'erasure',
    left_out => '{sliced_at,total,erased,deliveries,cancelled,receipts,cursor,subject,archives,archives_searched,archives_rewritten,archives_missing,erased_in_archive,is_in_archive,archive_cursor,last_error}');
