"""One ray, in the order in which it is computed, every step with its derivative by hand.

lens         pixel of a lens <-> pixel of a pinhole
camera       pixel, pinhole and pose -> ray, and points along it
sampling     where to cut the ray (no derivative, says why)
contraction  space without an end -> a ball, or a cube
encoding     coordinates -> sines and cosines
harmonics    direction -> waves on the sphere
grid         coordinates -> interpolated features
dense        features -> raw output of a network
activation   raw output -> density, colour
compositing  density, interval lengths -> weights
pixel        weights, colours, background -> colour, opacity, depth
rendering    the last two as one rule
surface      slope of the density -> which way a surface faces
stream       the samples of many rays in one row, and sums over each ray
packed       compositing and rendering of such a row
integral     what the sum of `rendering` approximates
exposure     a pixel -> what a picture of a gain of its own shows
photometric  pixels, photograph -> loss
distortion   weights -> how widely they are spread along their ray, a loss as well
"""

from calculus.radiance.activation import bounded_exp, relu, sigmoid, softplus
from calculus.radiance.camera import points, rays
from calculus.radiance.compositing import optical_depth, weights
from calculus.radiance.contraction import contract, ndc, ndc_point
from calculus.radiance.dense import affine, mlp
from calculus.radiance.distortion import spread, spread_packed
from calculus.radiance.encoding import encode
from calculus.radiance.exposure import expose
from calculus.radiance.grid import hash_encode, interpolate
from calculus.radiance.harmonics import spherical_harmonics
from calculus.radiance.lens import distort, undistort
from calculus.radiance.packed import volume_render_packed, weights_packed
from calculus.radiance.photometric import coarse_and_fine, huber, psnr, squared_error
from calculus.radiance.pixel import accumulate
from calculus.radiance.rendering import volume_render
from calculus.radiance.surface import normal

__all__ = [
    "accumulate",
    "affine",
    "bounded_exp",
    "coarse_and_fine",
    "contract",
    "distort",
    "encode",
    "expose",
    "hash_encode",
    "huber",
    "interpolate",
    "mlp",
    "ndc",
    "ndc_point",
    "normal",
    "optical_depth",
    "points",
    "psnr",
    "rays",
    "relu",
    "sigmoid",
    "softplus",
    "spherical_harmonics",
    "spread",
    "spread_packed",
    "squared_error",
    "undistort",
    "volume_render",
    "volume_render_packed",
    "weights",
    "weights_packed",
]
