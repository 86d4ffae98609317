"""Enrich and transform received messages on their way to an event: the optional steps of a handler of a source.

    settings.py     what a handler says of its steps, checked and compiled
    run.py          run the steps of a handler, and keep what each did in the receipt's history
    call.py         the HTTP call of an enrichment, with its retries and its deadline
    breakers.py     the circuit breaker of the enrichments of a source
    in_flight.py    the claimed receipts that wait for their enrichment, outside of any transaction

See docs/why/steps.md.
"""
