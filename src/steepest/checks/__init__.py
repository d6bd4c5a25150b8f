"""Is it the same, is it right: checks that a person runs."""
