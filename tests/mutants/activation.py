"""Wrong derivatives of the activations."""

import jax
import jax.numpy as jnp

from calculus.radiance import activation
from tests.mutants.mutant import Mutant

_TWICE_SHOWN = ("pullback_is_jax", "agrees_with_finite_differences")
_LIMITS = ("float32_survives_the_limits",)
_JACOBIAN = ("jacobian_is_jax",)


def _softplus_as_relu(z, y_bar):
    return (jnp.where(z > 0, y_bar, 0),)


def _sigmoid_without_branch(z, y_bar):
    """1 / (1 + e^-|z|), right for z >= 0: the other branch forgotten."""
    return (activation._sigmoid(jnp.abs(z)) * y_bar,)


def _quotient_that_overflows(z, y_bar):
    """(5) as it stands: e^z / (1 + e^z) is inf / inf where z is large."""
    return (jnp.exp(z) / (1 + jnp.exp(z)) * y_bar,)


def _clipped_exp(z, y_bar):
    """The fast renderers' clip: the derivative of no function above the bound."""
    return (jnp.exp(jnp.clip(z, -15.0, 14.0)) * y_bar,)


def _value_for_the_slope(z, y_bar):
    """exp' = exp, so the value is kept for the way back; above the bound it is not the slope."""
    y, _ = activation.bounded_exp_fwd(z)
    return (y * y_bar,)


def _flat_above_bound(z, y_bar):
    """The derivative of e^min(z, m): what is too dense can never thin out again."""
    return (jnp.where(z <= activation.EXP_BOUND, jnp.exp(z), 0) * y_bar,)


def _sigmoid_taken_twice(z):
    """Keeps s(z) where the way back expects z: it makes s(s(z)) of it."""
    y, _ = activation.sigmoid_fwd(z)
    return y, y


def _one_minus_sigmoid(z, y_bar):
    """s (1 - s): exact on paper, no correct digit once s rounds to one."""
    s = activation._sigmoid(z)
    return (s * (1 - s) * y_bar,)


def _softmax_for_sigmoid(z):
    """diag s - s s^T, the Jacobian of the other function that is called sigma."""
    s = activation._sigmoid(z)
    return jnp.diag(s) - jnp.outer(s, s)


def _relu_open(z, y_bar):
    return (y_bar,)


def _mask_on_cotangent(z, y_bar):
    """Lets no negative cotangent pass: guided backpropagation, which is no derivative."""
    return (jnp.where((z > 0) & (y_bar > 0), y_bar, 0),)


def _value_for_step(z):
    return jnp.diag(jax.nn.relu(z))


MUTANTS = (
    Mutant("softplus differentiated as relu", "softplus", _softplus_as_relu, _TWICE_SHOWN),
    Mutant("the sigmoid of the size of z", "softplus", _sigmoid_without_branch),
    Mutant("a quotient that overflows", "softplus", _quotient_that_overflows, _LIMITS),
    Mutant("the exponential's derivative clipped", "bounded_exp", _clipped_exp, _TWICE_SHOWN),
    Mutant("the value for the slope", "bounded_exp", _value_for_the_slope),
    Mutant("the slope cut off above the bound", "bounded_exp", _flat_above_bound),
    Mutant("the sigmoid taken twice", "sigmoid", _sigmoid_taken_twice, _TWICE_SHOWN, "fwd"),
    Mutant("one minus the sigmoid", "sigmoid", _one_minus_sigmoid, _LIMITS),
    Mutant(
        "softmax's Jacobian for sigmoid's", "sigmoid", _softmax_for_sigmoid, _JACOBIAN, "jacobian"
    ),
    Mutant("relu that never closes", "relu", _relu_open, _TWICE_SHOWN),
    Mutant("the mask read off the cotangent", "relu", _mask_on_cotangent),
    Mutant("the value for the step", "relu", _value_for_step, _JACOBIAN, "jacobian"),
)
