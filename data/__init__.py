"""What was photographed: scenes, their loaders, and batches of their pixels.

scene      Scene, Split, Camera: what a loader returns; frames and units
load       load(path): recognises the format, refuses with a reason
blender    the Blender / NeRF-synthetic format
analytic   a scene in closed form, rendered by quadrature
batches    pictures -> endless shuffled batches of pixels
errors     the one exception for what a user can mend
"""
