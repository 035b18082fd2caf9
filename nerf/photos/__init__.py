"""Photographs or a video -> a scene: where each picture was taken, by structure from motion.

pycolmap, which is an extra, does the geometry on the CPU: SIFT features, matches between pairs of
pictures, and the cameras and points that explain them, a picture at a time.

make         from a folder or a video to a scene's folder
pictures     the photographs of a folder, checked
video        frames of a video: evenly chosen, sharp
stages       the three stages run, with their progress, and which pictures are compared
reconstruct  what they do, in a process of its own
transforms   the cameras found -> transforms.json, and how good they are
"""
