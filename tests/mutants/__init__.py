"""Wrong derivatives, each a mistake that one makes or that a public renderer has made.

Training survives most of them. One file for each page of `calculus.radiance`; a mutant is a rule
of the ledger with a wrong companion, and names the laws that must refuse it.
"""

from tests.mutants import (
    activation,
    camera,
    compositing,
    contraction,
    dense,
    distortion,
    encoding,
    exposure,
    grid,
    harmonics,
    lens,
    packed,
    photometric,
    pixel,
    rendering,
    surface,
)
from tests.mutants.mutant import Mutant, mutate
from tests.mutants.score import score

__all__ = ["MUTANTS", "Mutant", "mutate", "score"]

MUTANTS: tuple[Mutant, ...] = (
    *lens.MUTANTS,
    *camera.MUTANTS,
    *contraction.MUTANTS,
    *encoding.MUTANTS,
    *harmonics.MUTANTS,
    *grid.MUTANTS,
    *dense.MUTANTS,
    *activation.MUTANTS,
    *compositing.MUTANTS,
    *pixel.MUTANTS,
    *rendering.MUTANTS,
    *packed.MUTANTS,
    *surface.MUTANTS,
    *photometric.MUTANTS,
    *distortion.MUTANTS,
    *exposure.MUTANTS,
)
