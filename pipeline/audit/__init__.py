"""What is in several datasets, and in several splits: equal and near-equal pictures, labels that differ, people.

fingerprint     what a picture is compared by: digest of its pixels, perceptual hash
pictures        fingerprints of a table's pictures, each computed once
rows            the rows of several tables, as one
near_pairs      all pairs of near hashes or features
equality        which rows are equal, by kind
search          from rows, fingerprints and features to the kinds of equality
findings        counts and pairs
record          which pictures equal which, on disk, with what the tables were when they were compared
"""
