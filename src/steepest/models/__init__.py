"""What a fit gives."""
