"""Event types: what may be published, what it looks like, and what is done about an event that looks otherwise.

models.py       EventType, and a schema for each of its versions
schemas.py      which JSON Schemas are taken, and cost.py what validating with one may cost
registry.py     create, change, delete
contracts.py    the picture in memory that publishing asks
importing.py    out of the webhooks of an OpenAPI document
exporting.py    as OpenAPI webhooks, as AsyncAPI
views/          REST, and the catalogue that people browse
"""
