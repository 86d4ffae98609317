-- Triggers of the audit (webhooks/migrations/audit.sql) on the tables of this app.

SELECT webhooks_audit_rows('subscriptions_plan', 'plan', tenant => '', left_out => '{updated_at}');
SELECT webhooks_audit_rows('subscriptions_tenant', 'tenant', tenant => 'id', left_out => '{routes_version}');
SELECT webhooks_audit_rows('subscriptions_apikey', 'apikey', left_out => '{last_used_at}', hidden => '{digest}');
SELECT webhooks_audit_rows('subscriptions_endpoint', 'endpoint', left_out => '{version,updated_at}');
SELECT webhooks_audit_rows('subscriptions_signingsecret', 'endpoint', key => 'endpoint_id', part => 'signing secret',
    whole => 'subscriptions_endpoint', hidden => '{ciphertext}');
SELECT webhooks_audit_rows('subscriptions_destinationsettings', 'endpoint', key => 'endpoint_id', part => 'settings',
    whole => 'subscriptions_endpoint', hidden => '{ciphertext}');
SELECT webhooks_audit_rows('subscriptions_httpsettings', 'endpoint', key => 'endpoint_id', part => 'HTTP settings',
    whole => 'subscriptions_endpoint', hidden => '{ciphertext,verification_key_digest}');
SELECT webhooks_audit_rows('subscriptions_subscription', 'subscription', left_out => '{updated_at,size}');
SELECT webhooks_audit_rows('subscriptions_eventtype', 'eventtype', left_out => '{updated_at}');
SELECT webhooks_audit_rows('subscriptions_eventschema', 'eventtype', key => 'event_type_id', part => 'schema',
    whole => 'subscriptions_eventtype');
SELECT webhooks_audit_rows('subscriptions_grant', 'grant', left_out => '{updated_at}');
SELECT webhooks_audit_rows('subscriptions_inspector', 'inspector', hidden => '{token,page_token}');
SELECT webhooks_audit_rows('subscriptions_maskingsecret', 'tenant', key => 'tenant_id', part => 'masking key',
    hidden => '{ciphertext}');
SELECT webhooks_audit_rows('subscriptions_portallink', 'portallink', left_out => '{last_used_at}',
    hidden => '{digest,session_digest}');
SELECT webhooks_audit_work('subscriptions_inspectedrequest', 'inspectedrequest');

-- The users of the admin, where the project has Django's own.
DO $$
BEGIN
    IF to_regclass('auth_user') IS NULL THEN
        RETURN;
    END IF;
    PERFORM webhooks_audit_rows('auth_user', 'user', tenant => '', left_out => '{last_login}', hidden => '{password}');
    PERFORM webhooks_audit_rows('auth_user_groups', 'user', key => 'user_id', tenant => '', part => 'group');
    PERFORM webhooks_audit_rows('auth_user_user_permissions', 'user', key => 'user_id', tenant => '',
        part => 'permission');
    PERFORM webhooks_audit_rows('auth_group', 'group', tenant => '');
END
$$;
