"""Write and look up the values by which events can be found."""
