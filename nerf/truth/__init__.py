"""`nerf truth`: what a run recovered against what is known of its scene.

distance  mean distances along rays, and opacity, against exact ones
density   voxels against a density in closed form
show      pictures of both
compare   all of it for a run: figures, JSON, pictures
"""
