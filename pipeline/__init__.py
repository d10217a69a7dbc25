"""What is computed: faces in, arrays and scores out. Knows no store and no command line.

labels, samples     the words for expressions and the table of images; parquet is how tables are kept
datasets            one module per public layout: files on disk -> sample table
faces               where faces are in pictures, and each as an upright square
encoders            frozen models: pixels or text -> features
augmentation        random changes of pixels, for every batch
learning            what all methods share: heads, the training loop, calibration, metrics and statistics
methods             one folder per family of methods: options, losses, heads, training, recipes
predict             trained heads on disk, and as a folder for elsewhere; pictures and videos -> the expressions in them
report              records -> tables, figures, one page
"""
