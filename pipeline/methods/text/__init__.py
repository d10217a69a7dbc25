"""Similarity to the text of each class: zero-shot, kefer."""
