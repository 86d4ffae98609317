"""Keep the requests that arrive at a tenant's request inspectors, so that a developer sees what was sent.

``inspectors`` creates and changes inspectors, ``requests`` keeps requests and says whether they are signed. The REST
API, the receiving view and the page call in.
"""
