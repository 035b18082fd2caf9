"""A run, taken elsewhere: `nerf export`.

source   the run's field, asked in chunks at points of its cube, and the way to the user's units
ends     where rays of the training cameras end
level    the density at which the surface is put
volume   density on a lattice, and how dense it may be made
surface  the mesh: marching cubes, refined, without dust, coloured
seen     which parts of it the cameras see
cloud    points with colours and normals
grid     density and colour on a lattice, as numbers
origin   coordinates that need more than 32 bits
files    what is written, where, and what can't be
html     one page that shows the points without a server
"""
