"""Wrong derivatives of an affine layer and of the network."""

import jax.numpy as jnp

from calculus.radiance import dense
from tests.mutants.mutant import Mutant


def _bias_not_summed(residuals, z_bar):
    x_bar, W_bar, _ = dense.affine_bwd(residuals, z_bar)
    return x_bar, W_bar, z_bar.reshape(-1, z_bar.shape[-1])[0]


def _outputs_by_inputs(residuals, z_bar):
    """W_bar laid out m x n and read as n x m: the numbers are right, and in the wrong places."""
    x_bar, W_bar, b_bar = dense.affine_bwd(residuals, z_bar)
    return x_bar, W_bar.T.reshape(W_bar.shape), b_bar


def _mean_over_samples(residuals, z_bar):
    """Divides by the batch here, where the loss has divided already."""
    x_bar, W_bar, b_bar = dense.affine_bwd(residuals, z_bar)
    samples = z_bar.size // z_bar.shape[-1]
    return x_bar, W_bar / samples, b_bar / samples


def _transposed(x, W, b):
    """dz/dx = W, as in the books that write z = W x."""
    _, *others = dense.affine_jacobian(x, W, b)
    return W, *others


def _mask_forgotten(skip, residuals, y_bar):
    layers, x, _ = residuals
    open_gates = tuple((W, b + 1e6) for W, b in layers)
    right, _ = dense.mlp_bwd(skip, residuals, y_bar)
    wrong, x_bar = dense.mlp_bwd(skip, (open_gates, x, None), y_bar)
    return (wrong[0], *right[1:]), x_bar


def _skip_forgotten(skip, residuals, y_bar):
    """The input's second way into the network gets no cotangent."""
    layers, x, _ = residuals
    W, b = layers[skip - 1]
    closed = W.at[-x.shape[-1] :].set(0.0)
    cut = (*layers[: skip - 1], (closed, b), *layers[skip:])
    layers_bar, _ = dense.mlp_bwd(skip, residuals, y_bar)
    return layers_bar, dense.mlp_bwd(skip, (cut, x, None), y_bar)[1]


def _output_rectified(skip, residuals, y_bar):
    """A mask on the last layer as well: outputs below zero are not trained."""
    layers, x, _ = residuals
    (y, _) = dense.mlp_fwd(layers, x, skip)
    return dense.mlp_bwd(skip, residuals, jnp.where(y > 0, y_bar, 0))


MUTANTS = (
    Mutant(
        "the bias of the first sample alone", "affine", _bias_not_summed, ("batch_is_its_rays",)
    ),
    Mutant("weights in another code's layout", "affine", _outputs_by_inputs),
    Mutant(
        "the mean over samples taken twice", "affine", _mean_over_samples, ("batch_is_its_rays",)
    ),
    Mutant(
        "the layer's Jacobian transposed", "affine", _transposed, ("jacobian_is_jax",), "jacobian"
    ),
    Mutant("a layer's mask forgotten", "mlp", _mask_forgotten),
    Mutant("the skip's way back forgotten", "mlp", _skip_forgotten),
    Mutant("the last layer masked as well", "mlp", _output_rectified),
)
