"""One number that changes with every change of the event types, whoever makes it: other processes look at it once a
second. It comes from a sequence, so a number that was rolled back is never given again."""

from django.db import migrations

UP = """
CREATE TABLE subscriptions_event_types_version (one boolean PRIMARY KEY DEFAULT true CHECK (one), version bigint NOT NULL);
CREATE SEQUENCE subscriptions_event_types_versions;
CREATE FUNCTION subscriptions_event_types_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO subscriptions_event_types_version (version) VALUES (nextval('subscriptions_event_types_versions'))
        ON CONFLICT (one) DO UPDATE SET version = excluded.version;
    RETURN NULL;
END $$;
CREATE TRIGGER eventtype_changed AFTER INSERT OR UPDATE OR DELETE ON subscriptions_eventtype
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_event_types_changed();
CREATE TRIGGER eventschema_changed AFTER INSERT OR UPDATE OR DELETE ON subscriptions_eventschema
    FOR EACH STATEMENT EXECUTE FUNCTION subscriptions_event_types_changed();
"""
DOWN = """
DROP FUNCTION subscriptions_event_types_changed CASCADE;
DROP SEQUENCE subscriptions_event_types_versions;
DROP TABLE subscriptions_event_types_version;
"""


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0013_event_types")]

    operations = [migrations.RunSQL(UP, DOWN)]
