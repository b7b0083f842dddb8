"""What a model file is."""
