"""One number in, one number out.

quotient        slopes of secants, their limit, the first-order expansion
powers          binomial theorem, square, power
rules           sums, products and quotients of functions
composition     functions of functions, inverse functions
trigonometric   sine, cosine
exponential     exp, its relatives, log
examples        two chains worked out
expressions     formulas whose derivatives are formulas
"""
