"""The ray microscope: what one pixel of a run is made of, and what its loss wants changed.

samples     what lies along a ray, and how its colour answers to motions of the camera
slopes      the gradient of one pixel's loss, by hand and by differences
sentence    what the strongest sample wants, in words
probe       all of that for one pixel of a camera
draw        a probe as a figure; its `panels`, and the `scales` of their axes
record      probes of one ray while a run trains, and the film of them
"""
