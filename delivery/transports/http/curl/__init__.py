"""Use libcurl: one reusable handle, the sockets of many transfers, and what its error codes mean."""
