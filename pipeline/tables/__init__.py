"""The sample table: one row per image or frame.

sample      one row, as a layout describes it
schema      columns, where a table comes from, and the rules for it
samples     the table: build, read, write, summarise
labels      the expressions, their order and synonyms
splits      train, val and test where a dataset has no such split, by group
parquet     tables on disk
"""
