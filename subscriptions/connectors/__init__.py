"""Turn events into what a known API accepts: one JSON file for each connector, in this folder.

A connector is data: fields of a form, and a request that is made of them. An endpoint that is created from one is an
ordinary HTTP endpoint with ordinary subscriptions; the connector's name is kept with it.

    connector.py    Connector and its messages, read from a file
    catalogue.py    all connectors, by name
    template.py     write the body of a message as the template of a transformer
    fill.py         check the fields, and fill them in: URL, headers, authentication, transformers
    endpoints.py    create an endpoint with its subscriptions

Called by the REST API and the admin. The form of the files: docs/how-to/add-a-connector.md.
"""
