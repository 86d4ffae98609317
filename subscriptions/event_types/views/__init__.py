"""The doors of event types: REST (``rest.py``) and the catalogue that people browse (``catalogue.py``)."""
