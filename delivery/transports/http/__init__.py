"""Send attempts as HTTP requests, many at once on one curl multi handle.

Belongs here: all that knows HTTP. ``compose`` builds requests, ``sender`` and ``exchange`` send them and check every
connection by the address guard, ``responses`` says what a response means, ``oauth_sender`` adds bearer tokens, ``curl``
uses libcurl.
"""
