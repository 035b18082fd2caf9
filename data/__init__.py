"""What was photographed: scenes and their loaders.

scene      Scene, Split, Camera: what a loader returns; frames and units
load       load(path): recognises the format, refuses with a reason
blender    the Blender / NeRF-synthetic format
transforms nerfstudio's and instant-ngp's transforms.json
frames     frames of both kinds of transforms file: pictures, poses, masks
lenses     the lens of a frame; octic turns nerfstudio's r^8 into a rational lens
cube       instant-ngp's scale, offset, aabb and aabb_scale
pictures   picture files as one array of bytes
masks      which pixels of a picture to learn from
regular    the rule that only regular files are read
poses      matrices that are rigid motions
files      JSON by its keys; names that stay in the folder
exr        OpenEXR pictures
llff       LLFF's poses_bounds.npy
npy        arrays of numbers from .npy files
colmap     COLMAP's models; `models` finds and `sparse` reads their files
nearest    how near things are to the cameras
forward    cameras side by side that look one way
capture    a folder of pictures with their cameras, parted into splits
normalise  centre, up and scale, and the way back
analytic   a scene in closed form, rendered by quadrature
errors     the one exception for what a user can mend
"""
