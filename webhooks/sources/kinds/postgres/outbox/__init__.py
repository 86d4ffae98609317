"""Read the rows of a table that an application writes its events to; ``source`` is the kind."""
