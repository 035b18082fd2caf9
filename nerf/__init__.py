"""The application: fits a radiance field to photographs, and renders it from new viewpoints.

whole       files written whole or not at all
config      every setting, with its unit; TOML files and flags
field       the radiance fields
occupancy   which cells of space are worth asking
rays        pixels drawn at random -> rays, and where along them the field is asked
render      rays -> pixels
train       one step, and the loop
devices     all devices in one row: who takes which rays, who holds which pictures and tables
processes/  many processes as one run, and what becomes of the others when one ends
dead_start  starts that lead nowhere
fit         a run of training: what is logged, saved, begun again
profile     where the time of a step goes
memory      how much there is of it
plan/       what a run keeps of it, before anything is made
machine     what the process asks of the machine
evaluate    held-out views: pictures, PSNR, SSIM
paths/      where the camera of a film goes
film/       frames, kept on the way, and the films that they become
checkpoint  a run on disk, and how to go on with it
inspect     what a scene is before it is trained, and what looks wrong in it
scene_record  the same as one object of JSON
footprint   how much of the pictures a scene's cube covers
views       points to pixels, pixels to rays: what the cameras of a split see
plot        cameras, drawn
photos/     photographs or a video -> a scene, by structure from motion
microscope/ one pixel: what its ray meets, and what its loss wants changed
report/     pages about runs, and runs side by side
truth/      what was recovered against what is known: distances, opacity, density
pictures    panels, depth in colour
console     what a run says while it runs
commands    train, evaluate, compare, render, inspect, check
cli         the command line
"""
