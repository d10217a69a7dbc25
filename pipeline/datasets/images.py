"""`decode` by the name that scripts import it by; it is in `pipeline.images.decode`."""

from pipeline.images.decode import decode

__all__ = ["decode"]
