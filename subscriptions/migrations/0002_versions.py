"""Triggers that keep ``Tenant.routes_version`` and ``Endpoint.version``: see the docstring of subscriptions.models."""

from django.db import migrations

UP = """
CREATE FUNCTION subscriptions_endpoint_version() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.version := OLD.version + 1;
    RETURN NEW;
END $$;
CREATE TRIGGER endpoint_version BEFORE UPDATE ON subscriptions_endpoint
    FOR EACH ROW EXECUTE FUNCTION subscriptions_endpoint_version();

CREATE FUNCTION subscriptions_secret_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_endpoint SET version = version WHERE id IN (SELECT endpoint_id FROM changed);
    RETURN NULL;
END $$;

CREATE FUNCTION subscriptions_routes_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE subscriptions_tenant SET routes_version = routes_version + 1
     WHERE id IN (SELECT tenant_id FROM changed);
    RETURN NULL;
END $$;
"""

TRIGGER = """
CREATE TRIGGER {table}_{event} AFTER {event} ON subscriptions_{table}
    REFERENCING {side} TABLE AS changed FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_{function}();
"""

SIDES = {"insert": "NEW", "update": "NEW", "delete": "OLD"}
FUNCTIONS = {"secret": "secret_changed", "endpoint": "routes_changed", "subscription": "routes_changed"}

DOWN = """
DROP FUNCTION subscriptions_secret_changed CASCADE;
DROP FUNCTION subscriptions_routes_changed CASCADE;
DROP FUNCTION subscriptions_endpoint_version CASCADE;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_initial")]

    operations = [
        migrations.RunSQL(
            UP
            + "".join(
                TRIGGER.format(table=table, event=event, side=side, function=function)
                for table, function in FUNCTIONS.items()
                for event, side in SIDES.items()
            ),
            DOWN,
        ),
    ]
