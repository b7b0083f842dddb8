"""What developers run from a clone; not in the wheel."""
