"""One pass over the rows, added up."""
