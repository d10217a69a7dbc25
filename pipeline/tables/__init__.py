"""The sample table: one row per image or frame.

samples     rows and table, checked
labels      the expressions, their order and synonyms
splits      train, val and test where a dataset does not say, by group
parquet     tables on disk
"""
