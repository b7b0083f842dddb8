"""What a written file says of itself."""
