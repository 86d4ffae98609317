-- Fill factors leave room for updates in place, and autovacuum follows closely, on the tables that are written most.
ALTER TABLE delivery_delivery SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02,
    autovacuum_vacuum_insert_scale_factor = 0.1, autovacuum_analyze_scale_factor = 0.02,
    autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_lane SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_usageincrement SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_insert_threshold = 100000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_deferredfanout SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_pendingresult SET (autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 1000,
    autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_schedule SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
ALTER TABLE delivery_schedulequeue SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0,
    autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);
-- Reports of processes about their load: nothing is lost with them, so they are not logged.
ALTER TABLE delivery_drainreport SET UNLOGGED;
ALTER TABLE delivery_drainreport SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200);
ALTER TABLE delivery_publisherreport SET UNLOGGED;
ALTER TABLE delivery_publisherreport SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200);
ALTER TABLE delivery_heartbeat SET UNLOGGED;
ALTER TABLE delivery_heartbeat SET (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.0, autovacuum_vacuum_threshold = 200);
ALTER TABLE delivery_loadminute SET UNLOGGED;
ALTER TABLE delivery_backlog SET UNLOGGED;
ALTER TABLE delivery_figures SET (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
