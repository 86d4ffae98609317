"""Stand between the socket and Django: the web front and the middleware."""
