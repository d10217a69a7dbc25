"""Heads: small networks from a frozen encoder's feature to expressions.

head        what every head is; spec describes it, packing makes it bytes and back
channels    channel groups of classes, pooling, dropping
mask        a sigmoid mask on the feature
text        similarity to text vectors
linear      one linear layer
layers      feature scale and layers that they share
"""
