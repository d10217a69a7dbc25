"""Looking after stores.

inventory              what is below a features root
integrity, inspection  whether a store holds what was written; problems: what is wrong, mmap_check: in its copies
comparison             why two stores differ
conversion             the same store in another file format
candidates, cleanup    what may be removed, and removing it
"""
