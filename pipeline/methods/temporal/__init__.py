"""Heads on the features of a clip's frames, in order of time: temporal-attention, temporal-transformer."""
