"""A store grows here until it is complete.

writer       the one write path
sink         where shards are put, also by workers elsewhere
unfinished   the folder in which a store grows, and what a stopped writer leaves there
plan         the plan of a store, and the records of its finished shards
"""
