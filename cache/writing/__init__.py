"""A store grows here until it is whole.

writer       the one write path
sink         where shards are put, also by workers elsewhere
unfinished   the folder in which a store grows, and what a stopped writer left there
plan         the plan of a store, and the records of its finished shards
"""
