"""From the difference quotient to the vector chain rule, each derivative by hand."""
