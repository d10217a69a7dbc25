"""Augmentations of pixels that are drawn anew for every batch. Cached ones are views: `pipeline.views`.

augment     noise, flip, erasing; from pixels to normalised images
distort     crop, turn, brightness, hue
"""
