"""From what is known to bytes: the table of families and the exposition formats."""
