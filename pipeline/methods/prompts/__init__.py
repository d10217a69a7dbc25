"""Learned prompts of a frozen text tower: coop, cocoop, metd, cliper."""
