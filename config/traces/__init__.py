"""Export the spans of this process over OTLP. Loaded only if WAYPOST_TRACES is set: it needs the extra ``traces``."""
