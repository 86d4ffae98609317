"""Hold the SQL statements on the provider's tables that Django's ORM does not write, one module per statement family.

Every statement works on many rows. The comment above it names its reader (the function or task that runs it) and the
index it walks. Every table has one INSERT, which other modules embed. States and causes come from the enums of
``delivery.models``. Rows that another transaction may hold are locked in key order or skipped. Called by every room of
``delivery``.
"""
