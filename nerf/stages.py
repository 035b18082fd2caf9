"""The stages of a step: which rules a gradient passes, and what each is given."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from types import ModuleType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from calculus import radiance
from calculus.ledger import RADIANCE
from nerf.field import Model, Params

ROUTING = {
    "reshape", "concatenate", "slice", "squeeze", "broadcast_in_dim", "gather", "dynamic_slice",
    "add", "add_any", "transpose", "convert_element_type", "copy",
}  # fmt: skip
"""What JAX may do with a cotangent between two rules: carry it to where it belongs."""
_BY_HAND = {getattr(rule.page, rule.name).bwd: rule.name for rule in RADIANCE}


class Passed(NamedTuple):
    """What a gradient passes on its way from the loss to the parameters."""

    rules: set[str]
    """Rules of the ledger, by name."""
    foreign: list[str]
    """Operations that JAX differentiates, beyond routing; rules that the ledger does not list."""
    forward: set[str]
    """Rules of the ledger that the step runs, trained through or not."""


def passed(loss: Callable[[Params], Any], params: Params) -> Passed:
    """Reads them off the jaxpr of `loss` at `params`."""
    jaxpr = jax.make_jaxpr(loss)(params).jaxpr
    found = _touched(jaxpr, [True] * len(jaxpr.invars))
    listed = set(_BY_HAND.values())
    foreign = [name for name in found if name not in listed and name not in ROUTING]
    return Passed(set(found) & listed, foreign, set(_called(jaxpr)) & listed)


def watched(model: Model, note: Callable[[str, int, tuple, Any], None]) -> Model:
    """The same model, but each stage tells `note` its name, count of calls, arguments and value."""
    calls: Counter[str] = Counter()

    def wrap(name: str) -> Callable:
        stage = getattr(model.stages, name)

        def call(*arguments: Any) -> Any:
            value = stage(*arguments)
            calls[name] += 1
            note(name, calls[name], arguments, value)
            return value

        return call

    stages = ModuleType("watched")
    vars(stages).update({name: wrap(name) for name in radiance.__all__})
    return replace(model, stages=stages)


def _touched(jaxpr, active):
    """Names of the operations that a tangent of the active inputs passes, rules by their name."""
    live = {var for var, is_active in zip(jaxpr.invars, active, strict=True) if is_active}
    found = []
    for equation in jaxpr.eqns:
        given = [not isinstance(v, jax.extend.core.Literal) and v in live for v in equation.invars]
        if not any(given) or equation.primitive.name == "stop_gradient":
            continue
        if not any(jnp.issubdtype(v.aval.dtype, jnp.inexact) for v in equation.outvars):
            continue  # a comparison: nothing flows through it
        inner = equation.params.get("jaxpr")
        if equation.primitive.name == "custom_vjp_call":
            found.append(_rule(equation))
        elif equation.primitive.name in ("jit", "pjit") and inner is not None:
            found += _touched(inner.jaxpr, given)
        else:
            found.append(equation.primitive.name)
        live |= set(equation.outvars)
    return found


def _called(jaxpr):
    found = []
    for equation in jaxpr.eqns:
        if equation.primitive.name == "custom_vjp_call":
            found.append(_rule(equation))
        for value in equation.params.values():
            inner = getattr(value, "jaxpr", value)
            if hasattr(inner, "eqns"):
                found += _called(inner)
    return found


def _rule(equation):
    bwd = equation.params["bwd"].f
    return _BY_HAND.get(bwd, f"an unlisted rule {bwd.__name__}")
