"""Values that papers print, as data: one table per paper, and which of our methods and test sets they are of.

cafe.csv, cliper.csv, kefer.csv   the cells of the papers' tables, in percent
methods.csv     a row of a paper -> our method, its recipe, its options, its encoder; the first row that fits holds
test_sets.csv   a test set of a paper -> names of our datasets, expressions, number of images, options of the layout
papers.json     title, authors, year, identifier, what is known to be odd
claims          reads them
"""

from pipeline.published.claims import ANY, FILE, Claim, Paper, PublishedSet, published_claims, published_papers

__all__ = ["ANY", "FILE", "Claim", "Paper", "PublishedSet", "published_claims", "published_papers"]
