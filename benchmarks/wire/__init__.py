"""HTTP traffic of the benchmark: the load generator and the sink, both in C, and the requests they carry."""
