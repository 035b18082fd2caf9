"""The names of `calculus.radiance`, differentiated by JAX instead of by hand.

Each is the very same forward without its hand-written rule, so the two can be exchanged for one
another: as the oracle of the tests, and as `derivatives = "auto"` of the application.
"""

from calculus import radiance

accumulate = radiance.accumulate.fun
affine = radiance.affine.fun
bounded_exp = radiance.bounded_exp.fun
coarse_and_fine = radiance.coarse_and_fine.fun
contract = radiance.contract.fun
distort = radiance.distort.fun
encode = radiance.encode.fun
expose = radiance.expose.fun
hash_encode = radiance.hash_encode.fun
huber = radiance.huber.fun
interpolate = radiance.interpolate.fun
mlp = radiance.mlp.fun
ndc = radiance.ndc.fun
ndc_point = radiance.ndc_point.fun
normal = radiance.normal.fun
optical_depth = radiance.optical_depth.fun
points = radiance.points.fun
psnr = radiance.psnr.fun
rays = radiance.rays.fun
relu = radiance.relu.fun
sigmoid = radiance.sigmoid.fun
softplus = radiance.softplus.fun
spherical_harmonics = radiance.spherical_harmonics.fun
spread = radiance.spread.fun
spread_packed = radiance.spread_packed.fun
squared_error = radiance.squared_error.fun
undistort = radiance.undistort.fun
volume_render = radiance.volume_render.fun
volume_render_packed = radiance.volume_render_packed.fun
weights = radiance.weights.fun
weights_packed = radiance.weights_packed.fun
