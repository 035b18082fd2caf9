"""Many inputs, many outputs: the Jacobian, its chain rule, and what it does to areas.

assembly       the tools: the Jacobian by columns, by rows, by entries
curves         a curve inside a function: the chain rule as a product of matrices
linear         a linear map from its partials, and from two bases
coordinates    polar coordinates: the first map that is not linear
volume         areas, volumes, orientation; integrals in new coordinates
"""

from calculus.foundations.jacobians.assembly import (
    derivative_shape_of,
    jacobian_by_columns,
    jacobian_by_entries,
    jacobian_by_rows,
    stack_functions,
)
from calculus.foundations.jacobians.coordinates import polar, polar_jacobian
from calculus.foundations.jacobians.curves import (
    along_ellipse,
    along_ellipse_jacobian,
    exp_along_spiral,
    exp_along_spiral_jacobian,
    exp_product,
    exp_product_jacobian,
    exp_two_parameters,
    exp_two_parameters_jacobian,
    parabola_along_circle,
    parabola_along_circle_jacobian,
    spiral,
    spiral_jacobian,
    two_parameters,
    two_parameters_jacobian,
)
from calculus.foundations.jacobians.linear import (
    flip_and_stretch,
    flip_and_stretch_jacobian,
    jacobian_from_bases,
)
from calculus.foundations.jacobians.volume import (
    image_of_triangle,
    integral_by_substitution,
    orientation,
    parallelepiped_volume,
    polygon_area,
    volume_factor,
)

__all__ = [
    "along_ellipse",
    "along_ellipse_jacobian",
    "derivative_shape_of",
    "exp_along_spiral",
    "exp_along_spiral_jacobian",
    "exp_product",
    "exp_product_jacobian",
    "exp_two_parameters",
    "exp_two_parameters_jacobian",
    "flip_and_stretch",
    "flip_and_stretch_jacobian",
    "image_of_triangle",
    "integral_by_substitution",
    "jacobian_by_columns",
    "jacobian_by_entries",
    "jacobian_by_rows",
    "jacobian_from_bases",
    "orientation",
    "parabola_along_circle",
    "parabola_along_circle_jacobian",
    "parallelepiped_volume",
    "polar",
    "polar_jacobian",
    "polygon_area",
    "spiral",
    "spiral_jacobian",
    "stack_functions",
    "two_parameters",
    "two_parameters_jacobian",
    "volume_factor",
]
