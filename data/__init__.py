"""What was photographed: scenes and their loaders.

scene      Scene, Split, Camera: what a loader returns; frames and units
load       load(path): recognises the format, refuses with a reason
blender    the Blender / NeRF-synthetic format
analytic   a scene in closed form, rendered by quadrature
errors     the one exception for what a user can mend
"""
