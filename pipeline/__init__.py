"""What is computed: faces in, arrays and scores out. Nothing here depends on stores or on the command line.

From top to bottom; a folder imports only what is below it (pyproject.toml has the order, which a test checks):

report              records -> tables, figures, one page
predict             trained heads on disk, and as a folder for elsewhere; pictures and videos -> the expressions in them
methods             one folder per family of methods: options, losses, heads, training, recipes
records             typed run.json, head.json, scores.json: one reader and one writer of each
learning            what all methods share: heads, the training loop, calibration, metrics and statistics
faces               where faces are in pictures, and each as an upright square
extraction          shards of images -> features
encoders            frozen models: pixels or text -> features
datasets            one module per public layout: files on disk -> sample table; the drawn sample
images              from a file to what an encoder sees: decode, crop, align, preprocess, views, augment
tables              the sample table: labels, splits, parquet

Modules that several folders share:

features, text_features, prompts    what methods read: features, vectors of texts, sentences
plugins                             a user's own methods, layouts and encoders: Python files and entry points
regular_files, tensors              files from elsewhere, checked before they are used
versions, differences               identities: versions of the code; what differs between two records, in words
errors, progress, timings           what a call reports
suggestions, footnotes              texts: "Did you mean ...?"; symbols next to scores
"""
