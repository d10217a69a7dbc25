"""What is in several datasets, and in several splits: equal and near-equal pictures, labels that differ, people.

record          which pictures equal which, on disk, with what the tables were when they were compared
"""
