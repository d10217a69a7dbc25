"""Tables and figures for a paper: grouped runs -> LaTeX, and vector graphics with their data.

escaping, latex   any text as LaTeX; a table as LaTeX
captions          what a reader must know of a table or figure, as text
results           rows of methods, columns of scores: what the tables have in common
train_test, recalls, ablations, words    one module per table
tables            all of them
style             size, colours and file formats of figures; needs matplotlib, as all below
ranking, sensitivity, confusion, reliability, projection    one module per figure
"""
