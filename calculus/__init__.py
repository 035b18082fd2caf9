"""Derivatives by hand: each step of a ray with its Jacobian and pullback, derived beside the code.

radiance   the steps of a ray, from pixel to loss
by_jax     the same names, differentiated by JAX
ledger     the list of every rule, with inputs to try it on
"""
