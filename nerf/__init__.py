"""The application: fits a radiance field to photographs, and renders it from new viewpoints.

config      every setting, with its unit; TOML files and flags
field       the radiance fields
occupancy   which cells of space are worth asking
rays        pixels of a batch -> rays on the device
render      rays -> pixels
train       one step, and the loop
evaluate    held-out views: pictures, PSNR, SSIM
paths       orbits around the scene
checkpoint  a run on disk, and how to go on with it
pictures    panels, depth in colour, films
console     what a run says while it runs
commands    train, evaluate, render, demo
cli         the command line
"""
