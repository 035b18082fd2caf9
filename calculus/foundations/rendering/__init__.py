"""What one ray has to teach beyond what training runs on: single steps, and the whole of them.

`calculus.radiance` takes densities to a pixel in one stride. Here the stride is taken apart, and
what it leaves out on purpose (derivatives of samples' places, second derivatives) is derived too.

medium      fog of one density, in closed form
opacity     where a ray is cut, densities -> lengths, alpha, transmittance
suffix      alpha, colours -> what is seen looking on from each sample
directions  the pixel along a direction of densities and colours: first and second order
placement   weights -> a distribution along the ray -> where to sample next
field       a point -> the density of a small field, and its surface's normal
loss        a ray's error, and the whole gradient of a small field
"""
