"""`nerf check`: derivatives by hand against JAX's and against differences.

error    how far two results are apart
ledger   every rule, on inputs of its own
run      the gradients of a user's own run
"""
