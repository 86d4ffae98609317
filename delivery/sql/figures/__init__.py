"""Count what happens in a period, measure the backlog, roll hours up into days, and rank by these figures."""
