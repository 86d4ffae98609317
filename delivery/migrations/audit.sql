-- Triggers of the audit (webhooks/migrations/audit.sql) on the tables of this app.

SELECT webhooks_audit_rows('delivery_alertrule', 'alertrule', left_out =>
    '{updated_at,due_at,evaluated_at,last_error,firing_message_at,resolved_message_at}');
SELECT webhooks_audit_rows('delivery_alertchannel', 'alertrule', key => 'rule_id', part => 'channel',
    whole => 'delivery_alertrule', hidden => '{ciphertext}');
SELECT webhooks_audit_rows('delivery_alertaddress', 'alertaddress');
SELECT webhooks_audit_rows('delivery_replay', 'replay',
    left_out => '{sliced_at,total,estimated,replayed,cursor,route_cursor}');
SELECT webhooks_audit_rows('delivery_deadletterjob', 'deadletterjob', left_out => '{sliced_at,total,changed,cursor}');
SELECT webhooks_audit_rows('delivery_broadcast', 'broadcast', tenant => '',
    left_out => '{sliced_at,total,published,failed,last_error,cursor,body}');
SELECT webhooks_audit_rows('delivery_erasure', 'erasure',
    left_out => '{sliced_at,total,erased,deliveries,cancelled,receipts,cursor,subject}');
SELECT webhooks_audit_rows('delivery_schedule', 'schedule',
    left_out => '{updated_at,next_at,due_at,last_at,occurrences,failures,last_error}');
SELECT webhooks_audit_work('delivery_alert', 'alert');
SELECT webhooks_audit_work('delivery_deadletter', 'deadletter');
SELECT webhooks_audit_work('delivery_delayedevent', 'event');
SELECT webhooks_audit_work('delivery_delivery', 'delivery');
SELECT webhooks_audit_work('delivery_event', 'event');
