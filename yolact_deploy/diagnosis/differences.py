"""How far two arrays are apart, in the numbers that a table shows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Difference:
    """A suspect array against its reference. Whatever is not finite on either side makes the errors infinite."""

    max_abs: float
    mean_abs: float
    relative: float  # length of the difference over length of the reference, both as vectors (L2)
    cosine: float  # of the angle between the two; NaN where a value is not finite

    def __or__(self, other: Difference) -> Difference:
        """The worse of two in every number."""
        return Difference(
            max(self.max_abs, other.max_abs),
            max(self.mean_abs, other.mean_abs),
            max(self.relative, other.relative),
            min(self.cosine, other.cosine),
        )


EQUAL = Difference(0.0, 0.0, 0.0, 1.0)
NOT_COMPARABLE = Difference(float("inf"), float("inf"), float("inf"), float("nan"))


def difference(reference: np.ndarray, suspect: np.ndarray) -> Difference:
    """Compare two arrays of any type, elementwise, in float64; other shapes, NaN and infinity are NOT_COMPARABLE.

    relative = |suspect - reference| / |reference|, lengths of vectors. Unlike a quotient of single elements it has no
    trouble with zeros, and unlike one of largest values it does not depend on a single element. A reference of zeros
    makes it 0 or infinite; two arrays of zeros have the cosine 1, and one alone 0.
    """
    if reference.shape != suspect.shape:
        return NOT_COMPARABLE
    a, b = reference.astype(np.float64).ravel(), suspect.astype(np.float64).ravel()
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        return NOT_COMPARABLE
    if a.size == 0:
        return EQUAL
    apart = np.abs(b - a)
    length_a, length_b, length = (float(np.linalg.norm(vector)) for vector in (a, b, apart))
    if length == 0.0:
        return EQUAL
    return Difference(
        max_abs=float(apart.max()),
        mean_abs=float(apart.mean()),
        relative=length / length_a if length_a else float("inf"),
        cosine=float(a @ b / (length_a * length_b)) if length_a and length_b else 0.0,
    )
