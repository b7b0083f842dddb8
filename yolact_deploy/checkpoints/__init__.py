"""From a download to a state dict of the official keys."""
