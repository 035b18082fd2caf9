"""Wrong pullbacks, each a mistake that one makes or that a public renderer has made.

Training survives most of them. A mutant is a rule of the ledger with another `bwd`; `killed_by`
names laws that must refuse it, each of them by itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp

from calculus.radiance import (
    activation,
    camera,
    compositing,
    dense,
    encoding,
    grid,
    photometric,
    pixel,
    rendering,
)


@dataclass(frozen=True)
class Mutant:
    name: str
    rule: str
    bwd: Callable
    """The wrong pullback, or the wrong dense Jacobian if `is_jacobian`."""
    killed_by: tuple[str, ...] = ("pullback_is_jax", "agrees_with_finite_differences")
    is_jacobian: bool = False


def _background_twice(residuals, cotangents):
    (_, T), (_, T_bar) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar - T[..., -1:] * T_bar[..., None],)


def _background_forgotten(residuals, cotangents):
    w_bar, T_bar = cotangents
    return compositing.weights_bwd(residuals, (w_bar, jnp.zeros_like(T_bar)))


def _product_scan(residuals, cotangents):
    """Recovers T_{k+1} as T_k (1 - alpha_k) and what is behind by dividing it out again."""
    (w, T), (w_bar, T_bar) = residuals, cotangents
    alpha = w / T[..., :-1]
    behind = compositing._sum_behind(w * w_bar) + T[..., -1:] * T_bar[..., None]
    d_alpha = T[..., :-1] * w_bar - behind / (1 - alpha)
    return (d_alpha * (1 - alpha),)


def _total_minus_prefix(residuals, cotangents):
    (w, T), (w_bar, T_bar) = residuals, cotangents
    worth = w * w_bar
    behind = jnp.sum(worth, axis=-1, keepdims=True) - jnp.cumsum(worth, axis=-1)
    return (T[..., 1:] * w_bar - behind - T[..., -1:] * T_bar[..., None],)


def _suffix_from_the_front(residuals, cotangents):
    """Sums what lies before instead of behind: the same under any loss that is symmetric in i."""
    (w, T), (w_bar, T_bar) = residuals, cotangents
    before = jnp.cumsum(w * w_bar, axis=-1) - w * w_bar
    return (T[..., 1:] * w_bar - before - T[..., -1:] * T_bar[..., None],)


def _suffix_counts_itself(residuals, cotangents):
    (w, _), (w_bar, _) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar - w * w_bar,)


def _light_before_instead_of_behind(residuals, cotangents):
    (_, T), (w_bar, _) = residuals, cotangents
    (tau_bar,) = compositing.weights_bwd(residuals, cotangents)
    return (tau_bar + (T[..., :-1] - T[..., 1:]) * w_bar,)


def _lengths_dropped(residuals, cotangents):
    sigma_bar, delta_bar, *others = rendering.volume_render_bwd(residuals, cotangents)
    return (sigma_bar, jnp.zeros_like(delta_bar), *others)


def _depth_dropped(residuals, cotangents):
    colour_bar, opacity_bar, depth_bar = cotangents
    return rendering.volume_render_bwd(
        residuals, (colour_bar, opacity_bar, jnp.zeros_like(depth_bar))
    )


def _opacity_dropped(residuals, cotangents):
    colour_bar, opacity_bar, depth_bar = cotangents
    return pixel.accumulate_bwd(residuals, (colour_bar, jnp.zeros_like(opacity_bar), depth_bar))


def _background_untrained(residuals, cotangents):
    *others, background_bar = pixel.accumulate_bwd(residuals, cotangents)
    return (*others, jnp.zeros_like(background_bar))


def _right_for_x_alone(residuals, y_bar):
    """The slope along x is right, those along y and z are taken across it too."""
    grid_bar, x_bar = grid.interpolate_bwd(residuals, y_bar)
    return grid_bar, jnp.concatenate([x_bar[..., :1]] * 3, axis=-1)


def _cells_not_counted(residuals, y_bar):
    table, _ = residuals
    grid_bar, x_bar = grid.interpolate_bwd(residuals, y_bar)
    return grid_bar, x_bar / ((table.shape[0] - 1) / 2)


def _last_write_wins(residuals, y_bar):
    """Sets where it should add: right for one point, wrong for two that share a vertex."""
    table, x = residuals
    n, features = table.shape[0], table.shape[-1]
    cells, f = grid._locate(x.reshape(-1, 3), n)
    table_bar = jnp.zeros_like(table).reshape(-1, features)
    for c in grid.CORNERS:
        share = grid._share(c, f)[:, None] * y_bar.reshape(-1, features)
        table_bar = table_bar.at[grid._vertex(cells, c, n)].set(share)
    return table_bar.reshape(table.shape), grid.interpolate_bwd(residuals, y_bar)[1]


def _frequency_forgotten(frequencies, p, gamma_bar):
    (p_bar,) = encoding.encode_bwd(frequencies, p, gamma_bar)
    return (p_bar / jnp.pi,)


def _cosine_sign(frequencies, p, gamma_bar):
    pairs = gamma_bar.reshape(*gamma_bar.shape[:-1], -1, 2)
    flipped = jnp.stack([pairs[..., 0], -pairs[..., 1]], axis=-1)
    return encoding.encode_bwd(frequencies, p, flipped.reshape(gamma_bar.shape))


def _mask_forgotten(skip, residuals, y_bar):
    layers, x = residuals
    open_gates = tuple((W, b + 1e6) for W, b in layers)
    right, _ = dense.mlp_bwd(skip, residuals, y_bar)
    wrong, x_bar = dense.mlp_bwd(skip, (open_gates, x), y_bar)
    return (wrong[0], *right[1:]), x_bar


def _skip_forgotten(skip, residuals, y_bar):
    """The input's second way into the network gets no cotangent."""
    layers, x = residuals
    W, b = layers[skip - 1]
    closed = W.at[-x.shape[-1] :].set(0.0)
    cut = (*layers[: skip - 1], (closed, b), *layers[skip:])
    layers_bar, _ = dense.mlp_bwd(skip, residuals, y_bar)
    return layers_bar, dense.mlp_bwd(skip, (cut, x), y_bar)[1]


def _bias_not_summed(residuals, z_bar):
    x_bar, W_bar, _ = dense.affine_bwd(residuals, z_bar)
    return x_bar, W_bar, z_bar.reshape(-1, z_bar.shape[-1])[0]


def _sigmoid_of_value(z, y_bar):
    """Takes s(s(z)) for s(z): the residual was the value, the code reads it as the argument."""
    return activation.sigmoid_bwd(activation._sigmoid(z), y_bar)


def _clipped_exp(z, y_bar):
    """The fast renderers' clip: the derivative of no function above the bound."""
    return (jnp.exp(jnp.clip(z, -15.0, 14.0)) * y_bar,)


def _softplus_as_relu(z, y_bar):
    return (jnp.where(z > 0, y_bar, 0),)


def _relu_open_at_zero(z, y_bar):
    return (y_bar,)


def _not_projected(residuals, cotangents):
    """A direction of length one that is pulled along itself."""
    u, n, d, intrinsics, rotation = residuals
    return camera.rays_bwd((u, n, jnp.zeros_like(d), intrinsics, rotation), cotangents)


def _picture_upside_down(residuals, cotangents):
    pixel_bar, intrinsics_bar, pose_bar = camera.rays_bwd(residuals, cotangents)
    return pixel_bar * jnp.array([1.0, -1.0], pixel_bar.dtype), intrinsics_bar, pose_bar


def _distance_forgotten(residuals, x_bar):
    origin_bar, _, t_bar = camera.points_bwd(residuals, x_bar)
    return origin_bar, origin_bar, t_bar


def _half_the_slope(residuals, loss_bar):
    colours_bar, photograph_bar, share_bar = photometric.squared_error_bwd(residuals, loss_bar)
    return colours_bar / 2, photograph_bar / 2, share_bar


def _huber_not_clipped(threshold, residuals, loss_bar):
    e, share = residuals
    _, _, share_bar = photometric.huber_bwd(threshold, residuals, loss_bar)
    return loss_bar * share[..., None] * e, -loss_bar * share[..., None] * e, share_bar


def _coarse_not_trained(residuals, loss_bar):
    coarse_bar, *others = photometric.coarse_and_fine_bwd(residuals, loss_bar)
    return (jnp.zeros_like(coarse_bar), *others)


def _natural_logarithm(mean_squared_error, psnr_bar):
    return (-10 / mean_squared_error * psnr_bar,)


def _lengths_for_densities(residuals, tau_bar):
    sigma, delta = residuals
    return sigma * tau_bar, delta * tau_bar


def _left_to_jax(residuals, cotangents):
    """No derivation at all: JAX differentiates the forward."""
    return jax.vjp(rendering.volume_render.fun, *residuals)[1](cotangents)


def _lower_for_upper(tau):
    """What lies behind hides what lies before."""
    dw, dT = compositing.weights_jacobian(tau)
    return dw.T, dT


def _block_out_of_order(p, frequencies):
    """All sines first, then all cosines: the order of another code."""
    J = encoding.encode_jacobian(p, frequencies)
    return jnp.concatenate([J[0::2], J[1::2]])


_LIMITS = ("float32_survives_the_limits",)
_BATCH = ("batch_is_its_rays",)
_JACOBIAN = ("jacobian_is_jax",)

MUTANTS: tuple[Mutant, ...] = (
    Mutant("the background subtracted twice", "weights", _background_twice),
    Mutant("the background term T_N T_bar forgotten", "weights", _background_forgotten),
    Mutant("the product scan that divides by zero", "weights", _product_scan, _LIMITS),
    Mutant("what lies behind as total minus prefix", "weights", _total_minus_prefix, _LIMITS),
    Mutant("the suffix summed in the wrong order", "weights", _suffix_from_the_front),
    Mutant("the suffix counts its own sample", "weights", _suffix_counts_itself),
    Mutant("T_k in the place of T_{k+1}", "weights", _light_before_instead_of_behind),
    Mutant("sigma and delta exchanged", "optical_depth", _lengths_for_densities),
    Mutant("the interval lengths dropped", "volume_render", _lengths_dropped),
    Mutant("the depth gradient dropped", "volume_render", _depth_dropped),
    Mutant("the opacity gradient dropped", "accumulate", _opacity_dropped),
    Mutant("the background gradient dropped", "accumulate", _background_untrained),
    Mutant("the coordinate gradient right for x alone", "interpolate", _right_for_x_alone),
    Mutant("the cells per unit forgotten", "interpolate", _cells_not_counted),
    Mutant("the scatter sets where it should add", "interpolate", _last_write_wins, _BATCH),
    Mutant("the factor pi of the frequency forgotten", "encode", _frequency_forgotten),
    Mutant("the sign of the cosine's derivative", "encode", _cosine_sign),
    Mutant("a layer's mask forgotten", "mlp", _mask_forgotten),
    Mutant("the skip's way back forgotten", "mlp", _skip_forgotten),
    Mutant("the bias of the first sample alone", "affine", _bias_not_summed, _BATCH),
    Mutant("the sigmoid taken twice", "sigmoid", _sigmoid_of_value),
    Mutant("the exponential's derivative clipped", "bounded_exp", _clipped_exp),
    Mutant("softplus differentiated as relu", "softplus", _softplus_as_relu),
    Mutant("relu that never closes", "relu", _relu_open_at_zero),
    Mutant("the unit direction not projected", "rays", _not_projected),
    Mutant("the picture upside down", "rays", _picture_upside_down),
    Mutant("the distance t forgotten", "points", _distance_forgotten),
    Mutant("the factor 2 of the square forgotten", "squared_error", _half_the_slope),
    Mutant("Huber's slope not clipped", "huber", _huber_not_clipped),
    Mutant("the coarse term not trained", "coarse_and_fine", _coarse_not_trained),
    Mutant("the pullback left to JAX", "volume_render", _left_to_jax, ("is_another_program",)),
    Mutant("hiding and hidden exchanged", "weights", _lower_for_upper, _JACOBIAN, True),
    Mutant("sines and cosines in another order", "encode", _block_out_of_order, _JACOBIAN, True),
    Mutant("the natural logarithm for the decimal", "psnr", _natural_logarithm),
)


def mutate(mutant: Mutant, page) -> Callable:
    """The rule's function with the mutant's pullback: forward and all else as they were."""
    decorated = getattr(page, mutant.rule)
    mutated = jax.custom_vjp(decorated.fun, nondiff_argnums=decorated.nondiff_argnums)
    mutated.defvjp(decorated.fwd, mutant.bwd)
    return mutated
