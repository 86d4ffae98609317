"""Serve HTTP: the web server, its limits, and the path of a request to its view.

Belongs here: what stands between the socket and a view. Nothing may call in. A request from socket to response, in
reading order:

1. ``connections``   the connection: size and time limits of request heads (uvicorn's protocol); ``connection_limits``:
                     connections per address
2. ``application``   the ASGI application: native views in the event loop, everything else on threads
3. ``bodies``        the request body: awaited in the event loop within limits, large ones in a temporary file
4. ``django_view``   Django on a thread, in turns among tenants; its response
"""
