r"""Affine layers, and the whole of a small ReLU network with the way back in one rule.

Symbols      S samples, one a row; layers l = 1..K
    X          inputs of the network, S x n_0                               1
    W_l, b_l   weights n_{l-1} x n_l and biases n_l of layer l              1
    H_l        what layer l is given: X, or the rectified output of l-1     1
    Z_l        what layer l gives, before it is rectified                   1
    M_l        mask [Z_l > 0]
    skip       the layer that is given X a second time, beside H            (none: 0)

Value
    affine:  Z = X W + b                                                    (1)
    mlp:     H_1 = X,   H_{l+1} = max(Z_l, 0),   H_skip = [H_skip, X]       (2)
             Z_l = H_l W_l + b_l,   Y = Z_K: the last layer is not rectified (3)

Jacobian     of one sample, a row x, y. By (1)
    dz_j/dx_i = W_ij,    dz_j/dW_ik = x_i [j = k],    dz_j/db_k = [j = k]   (4)
    B_l = dy/dz_l follows from the layer above it: B_K = I and
    B_l = M_l (W_{l+1} B_{l+1}), rows of W_{l+1} that feed X left out       (5)
    dy/dW_l,ik = h_l,i B_l,k.     dy/db_l,k = B_l,k.                        (6)
    dy/dx = W_1 B_1 + (rows of W_skip that read X) B_skip                   (7)

Cotangent    contract (4): sums over samples, which is a product of matrices
    X_bar = Z_bar W^T,    W_bar = X^T Z_bar,    b_bar = sum over rows of Z_bar     (8)
    H_bar_l = Z_bar_l W_l^T,    Z_bar_{l-1} = M_{l-1} H_bar_l,    Z_bar_K = Y_bar  (9)
    W_bar_l = H_l^T Z_bar_l,    b_bar_l = sum over rows of Z_bar_l                 (10)

Only X is kept. The way back goes through the samples block by block and makes the H_l of a
block again: one more forward pass, but its activations never leave the cache, and S x n x K
numbers are neither written to memory nor read from it.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

BLOCK = 1024
"""Samples a block: 1024 x 256 float32 are 1 MiB, what the L2 cache of one core holds."""

Layers = tuple[tuple[Float[Array, "_ _"], Float[Array, " _"]], ...]


@jax.custom_vjp
def affine(
    x: Float[Array, "*batch n"], W: Float[Array, "n m"], b: Float[Array, " m"]
) -> Float[Array, "*batch m"]:
    """x W + b (1)."""
    return affine_fwd(x, W, b)[0]


def affine_fwd(x, W, b):
    rows = x.reshape(-1, x.shape[-1])
    return (rows @ W + b[None, :]).reshape(*x.shape[:-1], -1), (x, W)  # (1)


def affine_bwd(residuals, z_bar):
    x, W = residuals
    rows, bar = x.reshape(-1, x.shape[-1]), z_bar.reshape(-1, z_bar.shape[-1])
    return (bar @ W.T).reshape(x.shape), rows.T @ bar, jnp.sum(bar, axis=0)  # (8)


affine.defvjp(affine_fwd, affine_bwd)


def affine_jacobian(
    x: Float[Array, " n"], W: Float[Array, "n m"], b: Float[Array, " m"]
) -> tuple[Float[Array, "m n"], Float[Array, "m n m"], Float[Array, "m m"]]:
    """dz/dx, dz/dW and dz/db of one sample, as (4) reads."""
    identity = jnp.eye(b.size)
    return W.T, jnp.einsum("i,jk->jik", x, identity), identity


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def mlp(layers: Layers, x: Float[Array, "*batch n"], skip: int = 0) -> Float[Array, "*batch m"]:
    """A ReLU network (2)(3): layers of (weights, biases), the last one affine only.

    `skip` = l > 1 gives x to layer l a second time, behind what layer l-1 made of it.
    """
    return mlp_fwd(layers, x, skip)[0]


def mlp_fwd(layers, x, skip):
    rows = x.reshape(-1, x.shape[-1])
    if rows.shape[0] <= BLOCK:
        y = _forward(layers, rows, skip)[-1]
    else:
        blocks = _in_blocks(rows)
        y = jax.lax.map(lambda block: _forward(layers, block, skip)[-1], blocks)
        y = y.reshape(-1, y.shape[-1])[: rows.shape[0]]
    return y.reshape(*x.shape[:-1], -1), (layers, x)


def mlp_bwd(skip, residuals, y_bar):
    layers, x = residuals
    rows, bar = x.reshape(-1, x.shape[-1]), y_bar.reshape(-1, y_bar.shape[-1])
    if rows.shape[0] <= BLOCK:
        layers_bar, x_bar = _backward(layers, rows, bar, skip)
        return layers_bar, x_bar.reshape(x.shape)

    def block(total, given):
        layers_bar, x_bar = _backward(layers, given[0], given[1], skip)
        return jax.tree.map(jnp.add, total, layers_bar), x_bar

    start = jax.tree.map(jnp.zeros_like, layers)
    # rows added to fill the last block have a cotangent of zero, and so no effect
    layers_bar, x_bar = jax.lax.scan(block, start, (_in_blocks(rows), _in_blocks(bar)))
    return layers_bar, x_bar.reshape(-1, x.shape[-1])[: rows.shape[0]].reshape(x.shape)


mlp.defvjp(mlp_fwd, mlp_bwd)


def mlp_jacobian(
    layers: Layers, x: Float[Array, " n"], skip: int = 0
) -> tuple[tuple[tuple[Float[Array, "m _ _"], Float[Array, "m _"]], ...], Float[Array, "m n"]]:
    """dy/dlayers and dy/dx of one sample, as (5)-(7) read."""
    given, y = _forward(layers, x[None, :], skip)
    B = jnp.eye(y.size)  # (5): [n_l, outputs]
    dx = jnp.zeros((x.size, y.size))
    slopes = []
    for l in range(len(layers), 0, -1):
        h, (W, _) = given[l - 1][0], layers[l - 1]
        slopes.append((jnp.einsum("i,kj->jik", h, B), B.T))  # (6)
        H_bar = W @ B
        if l == skip:
            H_bar, to_x = H_bar[: -x.size], H_bar[-x.size :]
            dx = dx + to_x  # (7)
        if l == 1:
            dx = dx + H_bar
        else:
            B = jnp.where(_mask(h, l, skip, x.size)[:, None], H_bar, 0)
    return tuple(reversed(slopes)), dx.T


def _forward(layers, rows, skip):
    """What each layer is given, H_1 .. H_K (2), and Y (3)."""
    h, given = rows, []
    for l, (W, b) in enumerate(layers, start=1):
        if l == skip:
            h = jnp.concatenate([h, rows], axis=-1)
        given.append(h)
        z = h @ W + b[None, :]  # (3)
        h = jnp.where(z <= 0, 0, z)  # (2); NaN passes, or a broken layer would look like a dead one
    return given, z


def _backward(layers, rows, y_bar, skip):
    given, _ = _forward(layers, rows, skip)
    z_bar, x_bar, layers_bar = y_bar, jnp.zeros_like(rows), []
    for l in range(len(layers), 0, -1):
        h, (W, _) = given[l - 1], layers[l - 1]
        layers_bar.append((h.T @ z_bar, jnp.sum(z_bar, axis=0)))  # (10)
        h_bar = z_bar @ W.T
        if l == skip:
            h_bar, to_x = h_bar[:, : -rows.shape[1]], h_bar[:, -rows.shape[1] :]
            x_bar = x_bar + to_x
        if l == 1:
            x_bar = x_bar + h_bar
        else:
            z_bar = jnp.where(_mask(h, l, skip, rows.shape[1]), h_bar, 0)  # (9)
    return tuple(reversed(layers_bar)), x_bar


def _mask(h, l, skip, inputs):
    """M_{l-1}, read off what layer l is given: a rectified number is positive or was cut."""
    return (h[..., :-inputs] if l == skip else h) > 0


def _in_blocks(rows):
    missing = -rows.shape[0] % BLOCK
    return jnp.pad(rows, ((0, missing), (0, 0))).reshape(-1, BLOCK, rows.shape[1])
