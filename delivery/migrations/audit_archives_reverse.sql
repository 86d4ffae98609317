DROP TRIGGER audit_changes ON delivery_archive;
DROP TRIGGER audit_rows ON delivery_erasure;
DROP TRIGGER audit_changes ON delivery_erasure;
SELECT webhooks_audit_rows('delivery_erasure', 'erasure',
    left_out => '{sliced_at,total,erased,deliveries,cancelled,receipts,cursor,subject}');
