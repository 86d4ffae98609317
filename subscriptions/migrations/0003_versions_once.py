"""``Tenant.routes_version`` comes from a sequence: a version that was rolled back is never given again, so that a
picture taken inside that transaction cannot be mistaken for what somebody else commits afterwards."""

from django.db import migrations

UP = """
CREATE SEQUENCE subscriptions_routes_version;
SELECT setval('subscriptions_routes_version', 1 + (SELECT coalesce(max(routes_version), 0) FROM subscriptions_tenant));
CREATE OR REPLACE FUNCTION subscriptions_routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_tenant SET routes_version = nextval('subscriptions_routes_version')
     WHERE id IN (SELECT tenant_id FROM changed);
    RETURN NULL;
END $$;
"""
DOWN = """
CREATE OR REPLACE FUNCTION subscriptions_routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_tenant SET routes_version = routes_version + 1
     WHERE id IN (SELECT tenant_id FROM changed);
    RETURN NULL;
END $$;
DROP SEQUENCE subscriptions_routes_version;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0002_versions")]

    operations = [migrations.RunSQL(UP, DOWN)]
