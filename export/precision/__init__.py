"""An exported graph in another precision."""
