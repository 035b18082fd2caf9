"""Scalars and matrices made from matrices: the identities that one looks up, each derived.

tensors         transpose, trace, determinant and inverse of a matrix-valued F(X)
forms           linear, bilinear and quadratic forms, a scaled vector
parametrised    the same forms along a curve of vectors: the chain rule in front
traces          the trace, products under it, the Frobenius norm
expansion       det(I + eps M), minor by minor
determinants    the determinant and its logarithm, entries free or tied by symmetry
inverse         the inverse, along a line of matrices and inside a scalar
differentials   tangents of products of vectors and matrices
least_squares   residuals, their squares, weights, the normal equations
density         the evidence of a Gaussian process, the density of a Gaussian mixture
"""
