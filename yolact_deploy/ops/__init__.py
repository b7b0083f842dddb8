"""Numbers in, numbers out. Every change here needs a parity run."""
