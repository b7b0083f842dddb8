"""A model against the annotations: its errors, what may be their cause, and which score thresholds to set."""
