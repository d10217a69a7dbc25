"""Frames of clips: which are taken, and how they are read from folders and video files."""
