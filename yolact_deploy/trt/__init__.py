"""Everything that touches NVIDIA's libraries."""
