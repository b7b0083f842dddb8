"""What a model finds, and whether it is right."""
