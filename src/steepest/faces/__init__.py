"""What a person meets: the command line and its tables."""
