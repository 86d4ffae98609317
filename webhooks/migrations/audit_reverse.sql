-- Take audit.sql back, with the triggers of other apps that use its functions.

DROP FUNCTION webhooks_audit_rows, webhooks_audit_work;
DROP FUNCTION webhooks_audit_refuse, webhooks_audit_statement, webhooks_audit_row CASCADE;
DROP FUNCTION webhooks_audit_operation, webhooks_audit_write, webhooks_uuid7;
