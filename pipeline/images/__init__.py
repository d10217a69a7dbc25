"""The one path from a file to what an encoder takes.

formats, reading            which files are images; a file, or a row of a sample table -> its picture
decode, rgb, ranges         bytes -> a picture in RGB, or the reason why not
transform                   a picture -> its squares of pixels: cropped, aligned, augmented, resized
alignment                   a face cropped upright, by its landmarks
preprocess                  size and normalisation of an encoder
views                       deterministic variants of an image, which are cached
augment, distort            random variants of pixels, for each batch
prepare                     rows of a sample table -> batches of their squares
rejects                     images that are all rejected for one reason
"""
