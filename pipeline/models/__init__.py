"""Heads: networks from what is cached of an image, feature or pixels, to expressions.

head        what every head is; spec describes it, packing makes it bytes and back
channels    channel groups of classes, pooling, dropping
mask        a sigmoid mask on the feature, made from the feature or from tokens; image_mask makes it from pixels
text        similarity to text vectors
tuned       the encoder's own image network, trained: under a linear layer, text vectors or descriptors
linear      one linear layer
image       image networks on pixels: backbones are the networks, pretrained their first weights from a file;
            architectures and torchvision_networks say what they are made of
layers      feature scale and layers that they share
"""
