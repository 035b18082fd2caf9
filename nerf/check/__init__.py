"""`nerf check`: derivatives by hand against JAX's and against differences.

ledger   every rule, on inputs of its own
run      the gradients of a user's own run
"""
