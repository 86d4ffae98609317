"""What was published before anything was counted is counted now."""

from django.db import migrations

UP = """
ALTER TABLE delivery_tally SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
INSERT INTO delivery_usage (tenant_id, day, type, events, deliveries)
SELECT tenant_id, day, type, sum(events), sum(deliveries) FROM (
    SELECT tenant_id, (created_at AT TIME ZONE 'UTC')::date AS day, type, 1 AS events, 0 AS deliveries
      FROM delivery_event
     UNION ALL
    SELECT e.tenant_id, (d.created_at AT TIME ZONE 'UTC')::date, e.type, 0, 1
      FROM delivery_delivery d JOIN delivery_event e ON e.id = d.event_id
) before
 GROUP BY tenant_id, day, type;
"""
DOWN = """
ALTER TABLE delivery_tally RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold,
    autovacuum_vacuum_insert_threshold, autovacuum_vacuum_cost_delay);
"""


class Migration(migrations.Migration):
    dependencies = [("delivery", "0006_usage")]

    operations = [migrations.RunSQL(UP, DOWN)]
