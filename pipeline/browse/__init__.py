"""The page on which the pictures of test sets are looked at: arrays -> the files of the page.

projection     features -> places in a plane (PCA, t-SNE)
units          what is shown: units of test sets, and what a head predicted of each
page_files     the same as files that the page reads
pictures       thumbnails, and what replaces one that cannot be read
sheet          the most confident mistakes as one picture
templates      page, script and style
"""
