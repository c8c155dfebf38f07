"""A node, through SSH: how it is reached, one look at it, and what was seen."""
