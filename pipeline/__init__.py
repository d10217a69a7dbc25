"""What is computed: faces in, arrays and scores out. Knows no store and no command line.

From top to bottom; a folder imports only what is below it:

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
"""
