"""The bundled scenes, a module each, and what they are built and rendered with.

A scene's module has a RECIPE, which `scripts/make_scenes.py` follows.

cameras     where the pictures are taken from; a pixel's ray
files       pictures, poses and distances on disk
solids      meshes: boxes, tubes, surfaces of revolution
rendering   what Mitsuba does for us: pictures and exact distances
marbles, bricks, glaze, smoke, terrace    the scenes
"""
