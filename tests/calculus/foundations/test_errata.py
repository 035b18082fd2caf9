"""Each kind of mistake that formulas in print have (docs/errata.csv), at one of them, refuted.

`test_KIND` shows the kind of that name: what is printed disagrees with the truth, which comes from
JAX, a difference or a plain loop, and what the erratum names as right agrees. The formulas beside
it, all that the list names, are rules and functions that have tests of their own.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from calculus.foundations import conventions
from calculus.foundations.elementwise import multiply, operators, vector_chain_rule, y_sin_of_sum
from calculus.foundations.identities import density, forms, inverse, traces
from calculus.foundations.identities.expansion import identity_plus
from calculus.foundations.jacobians import curves
from calculus.foundations.matrices.gram import gram_tangent
from calculus.foundations.matrices.linear_map import apply_matrix_jacobian
from calculus.foundations.univariate.composition import inverse_derivative
from calculus.foundations.univariate.quotient import first_order_remainder
from tests.calculus.foundations.drawn import drawn, well_conditioned
from tests.calculus.orders import assert_order

pytestmark = pytest.mark.usefixtures("strict_float64")
close = np.testing.assert_allclose


def assert_refuted(printed, right) -> None:
    """The printed formula disagrees with the truth, in shape or by more than a thousandth."""
    printed, right = np.asarray(printed), np.asarray(right)
    if printed.shape == right.shape:
        gap = np.max(np.abs(printed - right))
        assert gap > 1e-3 * max(1.0, np.max(np.abs(right))), f"not wrong at all: gap {gap:.1e}"


def test_sign():
    """Printed: (5.102), (5.103) without their minus (E-L2-01); sin t - t cos t (E-L0-01)."""
    X, (a, b) = well_conditioned(3), drawn(3, (3,), (3,))
    for by_hand, f in (
        (inverse.inverse_jacobian(X), jnp.linalg.inv),
        (inverse.inverse_form_jacobian(a, X, b)[1], lambda X: a @ jnp.linalg.inv(X) @ b),
    ):
        right = jax.jit(jax.jacfwd(f))(X)
        close(by_hand, right, rtol=1e-9)
        assert_refuted(-by_hand, right)
    t, velocity = jnp.asarray(1.0), curves.spiral_jacobian(jnp.asarray(1.0))
    close(velocity[1], jax.grad(lambda t: t * jnp.sin(t))(t), rtol=1e-12)
    assert_refuted(np.sin(1.0) - np.cos(1.0), velocity[1])


def test_factor():
    """Printed: diag(-1/x_i^2) for w / x by x (E-L4-15); x^T for the slope of x^T x (E-L4-36)."""
    w, x = drawn(0, (3,), (3,))
    by_divisor, right = operators.divide_jacobian(w, x)[1], jax.jacfwd(jnp.divide, 1)(w, x)
    close(by_divisor, right, rtol=1e-12)
    assert_refuted(np.diag(-1 / np.asarray(x) ** 2), right)
    assert_refuted(x, jax.grad(lambda x: x @ x)(x))
    close(forms.half_square_jacobian(x), jax.grad(lambda x: x @ x / 2)(x), rtol=1e-12)


def test_transpose():
    """Printed: A^T dA + (dA) A for d(A^T A) (E-L4-31); axes of input first (E-L4-40)."""
    A, A_dot = drawn(22, (3, 3), (3, 3))
    _, right = jax.jvp(lambda A: A.T @ A, (A,), (A_dot,))
    assert_refuted(A.T @ A_dot + A_dot @ A, right)
    close(gram_tangent(A, A_dot), right, rtol=1e-12)
    # M_21 in row 1 (E-L3-07), where no determinant tells
    pushed = identity_plus(jnp.asarray(0.1), A)
    assert_refuted(pushed.T, pushed)
    close(pushed, np.eye(3) + 0.1 * np.asarray(A), rtol=1e-12)
    X, a, b = np.ones((4, 2)), np.ones(3), np.ones(4)
    shape = jax.eval_shape(jax.jacrev(lambda X: X[:3] * X[0, 0]), X).shape
    assert shape == conventions.derivative_shape((3, 2), X.shape) != (4, 2, 3, 2)
    # rows for vectors, and for a matrix its own shape: not the strict layout (E-L0-10)
    right = jax.eval_shape(jax.jacrev(lambda X: a @ X @ b), np.ones((3, 4))).shape
    assert conventions.strict_matrix_layout(jnp.outer(a, b)).shape == right[::-1] != right


def test_shape():
    """Printed: the vector x for w * x by w (E-L4-14), a number for a row (E-L0-08)."""
    w, x = drawn(1, (3,), (3,))
    right = jax.jacfwd(multiply.fun)(w, x)
    assert_refuted(x, right)
    close(operators.multiply_jacobian(w, x)[0], right, rtol=0)
    st = jnp.array([0.4, 0.9])
    row = curves.exp_two_parameters_jacobian(st)
    assert_refuted(jax.jvp(curves.exp_two_parameters.fun, (st,), (jnp.ones(2),))[1], row)
    close(row, jax.grad(curves.exp_two_parameters.fun)(st), rtol=1e-12)
    with pytest.raises(TypeError):  # x in R^n beside f in R^n: the factors do not meet (E-L4-21)
        vector_chain_rule(lambda f: jnp.ones((4, 3)), lambda x: x, lambda x: jnp.ones((2, 2)))(st)


def test_index():
    """Printed: d/dx_j of sum_j A_ij x_j: read as written, each j has the row's sum (E-L0-03)."""
    A, x = drawn(2, (3, 4), (4,))
    right = jax.jacfwd(lambda x: A @ x)(x)
    assert_refuted(np.broadcast_to(np.sum(A, axis=1, keepdims=True), (3, 4)), right)
    close(apply_matrix_jacobian(A, x)[1], right, rtol=0)
    B = np.asarray(drawn(32, (3, 3))[0])  # the sum of y_i for that of a_ii (E-L4-44)
    assert_refuted(np.sum(B[:, 0]), traces.trace(jnp.asarray(B)))
    close(traces.trace(jnp.asarray(B)), sum(B[i, i] for i in range(3)), rtol=1e-13)


def test_term():
    """Printed: one child's share of the adjoint (E-L4-09), log|C| without the data (E-L3-10)."""
    x, y = jnp.asarray(0.4), jnp.asarray(1.1)
    right = jax.grad(y_sin_of_sum.fun, argnums=1)(x, y)
    over_product, over_sum = np.sin(1.5), 1.1 * np.cos(1.5)
    assert_refuted(over_product, right)
    assert_refuted(over_sum, right)
    close(over_product + over_sum, right, rtol=1e-12)
    root, (y,) = np.asarray(well_conditioned(9)), drawn(9, (3,))
    K, C = root @ root.T, root @ root.T + 0.16 * np.eye(3)
    log_det = np.linalg.slogdet(C)[1]
    right = -y @ np.linalg.inv(C) @ y / 2 - log_det / 2 - 1.5 * np.log(2 * np.pi)
    assert_refuted(log_det, right)
    close(density.log_evidence(jnp.asarray(K), jnp.asarray(0.4), y), right, rtol=1e-11)


def test_value():
    """Printed: d(Ax)/dx = Ax (E-L4-22), d(alpha x)/dx = alpha x (E-L4-39)."""
    A, x = drawn(14, (3, 3), (3,))
    right = jax.jacfwd(lambda x: A @ x)(x)
    for printed in (A @ x, A * np.asarray(x)[None]):  # the vector, or the matrix of its terms
        assert_refuted(printed, right)
    close(apply_matrix_jacobian(A, x)[1], right, rtol=0)
    right = jax.jit(jax.jacfwd(lambda x: x / jnp.linalg.norm(x)))(x)
    norm = np.linalg.norm(x)
    for printed in (x / norm, np.eye(3) / norm):  # alpha x; and alpha I alone, though alpha moves
        assert_refuted(printed, right)
    close(forms.unit_vector_jacobian(x), right, rtol=1e-10, atol=1e-12)


def test_condition():
    """Printed: g'(f(x)) = 1/f'(x), without a condition (E-L3-14); log|X| of any X (E-L3-11)."""
    slope = inverse_derivative(lambda x: 3 * x**2, jnp.cbrt)
    assert not np.isfinite(slope(jnp.asarray(0.0)))  # x^3 has an inverse, which has no slope at 0
    assert_refuted(jax.grad(jnp.sqrt)(1.0), 1 / jax.grad(jnp.square)(-1.0))  # x^2 is not invertible
    assert np.linalg.det(well_conditioned(10, det=-1.0)) < 0
    assert_refuted(((-2.0) ** 2) ** 0.5, (-2.0) ** (2 * 0.5))  # real exponents: a > 0 (E-L3-12)


def test_order():
    """Printed: O(eps^2) by definition of f' (E-L3-08): |x|^(3/2) at 0 has order 3/2."""

    def remainder(eps):
        f = lambda x: jnp.abs(x) ** 1.5  # noqa: E731
        return first_order_remainder(f, jnp.zeros_like, jnp.asarray(0.0), eps)

    assert_order(remainder, 1.5)
    with pytest.raises(AssertionError, match="order"):
        assert_order(remainder, 2)
    assert_order(lambda x: np.log1p(x) - (x + x**2 / 2), 2)  # E-L3-01: no better than x alone
    assert_order(lambda x: np.log1p(x) - (x - x**2 / 2), 3)


def test_special():
    """Printed: d(V^T V) = 2 V^T dV (E-L4-30), true of vectors; tr(ABC) = tr(ACB) (E-L4-34)."""
    for shape in ((3,), (3, 3)):
        V, V_dot = drawn(21, shape, shape)
        _, right = jax.jvp(lambda V: V.T @ V, (V,), (V_dot,))
        if shape == (3,):
            close(2 * V.T @ V_dot, right, rtol=1e-12)
        else:
            assert_refuted(2 * V.T @ V_dot, right)
            close(gram_tangent(V, V_dot), right, rtol=1e-12)
    A, B, C = (np.asarray(m) for m in drawn(25, (3, 3), (3, 3), (3, 3)))
    assert_refuted(np.trace(A @ C @ B), np.trace(A @ B @ C))
    close(np.trace(B @ C @ A), np.trace(A @ B @ C), rtol=1e-12)


def test_name():
    """Printed: x -> g -> f, then x -> f -> g with one formula (E-L4-24)."""
    A, B = jnp.array([[1.0, 2.0], [0.5, -1.0]]), jnp.array([[0.3, 1.0], [2.0, 0.1]])
    x = jnp.array([0.3, -0.8])
    f, g = lambda x: jnp.sin(A @ x), lambda x: jnp.exp(B @ x)
    df, dg = jax.jacfwd(f), jax.jacfwd(g)
    right = jax.jacfwd(lambda x: g(f(x)))(x)
    close(vector_chain_rule(dg, f, df)(x), right, rtol=1e-12)
    assert_refuted(vector_chain_rule(df, g, dg)(x), right)
