"""Run the statements of pulled endpoints: release and extend claims of consumers, find lapsed ones, settle.

Called by ``delivery.pulling``. What is handed out is claimed by ``delivery.sql.claim``.
"""
