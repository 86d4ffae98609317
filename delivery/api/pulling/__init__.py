"""Serve the messages of pulled endpoints and take the reports of consumers; thin, as every API room."""
