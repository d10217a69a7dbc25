"""What is computed: faces in, arrays and scores out. Knows no store and no command line.

labels, samples     the words for expressions and the table of images; parquet is how tables are kept
datasets            one module per public layout: files on disk -> sample table
faces               where faces are in pictures, and each as an upright square
encoders            frozen models: pixels or text -> features
models, losses      heads that learn on features, and what they minimise
augmentation        what is drawn anew for every batch of pixels
methods, training   one recipe per method; the loop they share
metrics, statistics scores and their uncertainty
calibration         the temperature at which a head's probabilities can be trusted
saved, export       a trained head on disk, and as a folder for elsewhere
predict             pictures and videos -> the expressions of the faces in them
report              records -> tables, figures, one page
"""
