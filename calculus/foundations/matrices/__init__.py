"""Derivatives of matrices and with respect to matrices: arrays with more than two axes.

flattening   a matrix as the list of its entries, in both orders
tensors      outputs first, inputs last: stack the partials, or flatten and fold back
linear_map   A x as a function of A and of x: slabs, the tensor, the gradient of a dense layer
products     A X B, and its Kronecker forms
gram         R^T R: four cases in one line
generalised  scalars of a matrix: expand, bring to tr U^T G, read off G
"""
