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

What is kept: of a single block of samples the H_l; of more only X. The way back then goes block
by block and makes the H_l of a block again: one more forward pass, and room for the numbers of
one block instead of S x n x K. Those of a narrow network do not even leave the caches.

On the way back a sample is a column, W_bar_l = H_l Z_bar_l^T: a sum along rows, whose numbers lie
side by side in memory. With samples in rows it would step from row to row, a slow way to add.
X alone is used as it came, a sample a row: W_bar_1^T = Z_bar_1 X.
"""

import functools

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from calculus.radiance.blocks import in_blocks

BLOCK = 8192
"""Samples a block: enough that two cores share a product, and few enough for their caches."""

BLOCK_ELSEWHERE = 2**17
"""The same on a machine that is not a CPU: as many as its memory has room for."""

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
    blocks, turned = in_blocks(rows, _most()), _turned(layers)
    if len(blocks) == 1:
        given, y = _forward(turned, rows.T, skip)
        return y.T.reshape(*x.shape[:-1], -1), (layers, x, given[1:])
    y = jax.lax.map(lambda X: _forward(turned, X, skip, columns=False)[1], blocks)
    y = y.reshape(-1, y.shape[-1])[: rows.shape[0]]
    return y.reshape(*x.shape[:-1], -1), (layers, x, None)


def mlp_bwd(skip, residuals, y_bar):
    layers, x, given = residuals
    rows, bar = x.reshape(-1, x.shape[-1]), y_bar.reshape(-1, y_bar.shape[-1])
    if given is not None:
        layers_bar, x_bar = _backward(layers, rows, given, bar.T, skip)
        return _first_turned(layers_bar), x_bar.T.reshape(x.shape)
    turned = _turned(layers)  # out here: within the loop it would be part of a slower product

    def block(total, now):
        X, Z_bar = now
        (_, *given), _ = _forward(turned, X.T, skip)
        layers_bar, X_bar = _backward(layers, X, given, Z_bar, skip)
        return jax.tree.map(jnp.add, total, layers_bar), X_bar

    start = jax.tree.map(jnp.zeros_like, _first_turned(layers))
    # rows that fill the last block have a cotangent of zero, and so no effect
    parts = in_blocks(rows, _most()), in_blocks(bar, _most()).mT
    layers_bar, x_bar = jax.lax.scan(block, start, parts)
    x_bar = x_bar.mT.reshape(-1, x.shape[-1])[: rows.shape[0]]
    return _first_turned(layers_bar), x_bar.reshape(x.shape)


mlp.defvjp(mlp_fwd, mlp_bwd)


def mlp_jacobian(
    layers: Layers, x: Float[Array, " n"], skip: int = 0
) -> tuple[tuple[tuple[Float[Array, "m _ _"], Float[Array, "m _"]], ...], Float[Array, "m n"]]:
    """dy/dlayers and dy/dx of one sample, as (5)-(7) read."""
    given, y = _forward(_turned(layers), x[:, None], skip)
    B = jnp.eye(y.size)  # (5): [n_l, outputs]
    dx = jnp.zeros((x.size, y.size))
    slopes = []
    for l in range(len(layers), 0, -1):
        H, (W, _) = given[l - 1], layers[l - 1]
        slopes.append((jnp.einsum("i,kj->jik", H[:, 0], B), B.T))  # (6)
        H_bar = W @ B
        if l == skip:
            H_bar, to_x = H_bar[: -x.size], H_bar[-x.size :]
            dx = dx + to_x  # (7)
        if l == 1:
            dx = dx + H_bar
        else:
            B = jnp.where(_mask(H, l, skip, x.size), H_bar, 0)
    return tuple(reversed(slopes)), dx.T


def _forward(turned, X, skip, columns=True):
    """What each layer is given, H_1 .. H_K (2), and Z_K (3): a sample a column, or a row."""
    H, given = X, []
    for l, (W_T, b) in enumerate(turned, start=1):
        if l == skip:
            H = jnp.concatenate([H, X], axis=0 if columns else 1)
        given.append(H)
        Z = W_T @ H + b[:, None] if columns else H @ W_T.T + b[None, :]  # (3)
        H = jnp.where(Z <= 0, 0, Z)  # (2); NaN passes, or a broken layer would look like a dead one
    return given, Z


def _backward(layers, X, given, Z_bar, skip):
    """Cotangents of the layers, the first W_bar turned, and of X: samples in columns but for X."""
    inputs, layers_bar, X_bar = X.shape[1], [], 0
    for l in range(len(layers), 0, -1):
        W_bar = Z_bar @ X if l == 1 else given[l - 2] @ Z_bar.T
        layers_bar.append((W_bar, jnp.sum(Z_bar, axis=1)))  # (10)
        H_bar = layers[l - 1][0] @ Z_bar
        if l == skip:
            H_bar, X_bar = H_bar[:-inputs], H_bar[-inputs:]
        if l > 1:
            Z_bar = jnp.where(_mask(given[l - 2], l, skip, inputs), H_bar, 0)  # (9)
    return tuple(reversed(layers_bar)), H_bar + X_bar


def _mask(H, l, skip, inputs):
    """M_{l-1}, read off what layer l is given: a rectified number is positive or was cut."""
    return (H[:-inputs] if l == skip else H) > 0


def _turned(layers):
    return tuple((W.T, b) for W, b in layers)


def _first_turned(layers):
    (W, b), *others = layers
    return (W.T, b), *others


def _most():
    return BLOCK if jax.default_backend() == "cpu" else BLOCK_ELSEWHERE
