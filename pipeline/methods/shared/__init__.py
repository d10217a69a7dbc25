"""What several methods share: learners, recipes, and the solver of the linear probe.

adam, sgd, tuning       recipes
image_networks          an image network on pixels, first weights and augmentations
mask_learner            CAFE's three losses on a masked feature
context                 learned tokens beside the class names
descriptors             CLIPER's losses, in both of its stages
seeing                  faces as the store keeps them, or augmented for every batch
logistic                logistic regression for many penalties on the same rows
"""
