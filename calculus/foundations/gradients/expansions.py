r"""What a function looks like near a point.

    f(x + s) = f(x) + (df/dx) s + O(|s|^2)                       if f is twice differentiable   (1)
    f(x + s) = f(x) + (df/dx) s + s^T H s / 2 + O(|s|^3)         H_ij = d^2 f / dx_i dx_j       (2)

(2) follows from the expansion of one variable: phi(eps) = f(x + eps u) has phi'(0) = (df/dx) u and
phi''(0) = sum_ij u_i H_ij u_j, since each differentiation along u brings sum_i u_i d/dx_i.

A step against the gradient, s = -eta (df/dx)^T, changes f by -eta |df/dx|^2 + O(eta^2): downhill
for small eta > 0 unless the gradient is 0. This is how a loss trains its parameters.           (3)
"""

from collections.abc import Callable

from jaxtyping import Array, Float

Vector = Float[Array, " n"]


def first_order(f: Callable, jacobian: Callable, x: Vector) -> Callable[[Vector], Array]:
    """s -> f(x) + J(x) s (1): the linear stand-in for f near x. `f` may be a vector, too."""
    value, J = f(x), jacobian(x)
    return lambda s: value + J @ s


def second_order(
    f: Callable, gradient: Callable, hessian: Callable, x: Vector
) -> Callable[[Vector], Float[Array, ""]]:
    """s -> f(x) + (df/dx) s + s^T H s / 2 (2), for a number f."""
    value, row, H = f(x), gradient(x), hessian(x)
    return lambda s: value + row @ s + s @ H @ s / 2


def descend(theta: Vector, gradient: Vector, eta: float) -> Vector:
    """theta - eta (dL/dtheta)^T (3): one step of gradient descent."""
    return theta - eta * gradient
