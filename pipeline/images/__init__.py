"""The one path from a file to what an encoder sees.

formats, decode, ranges     bytes -> a picture in RGB, or the reason why not
alignment                   a face cut out upright, by its landmarks
preprocess                  size and normalisation of an encoder
views                       deterministic variants of an image, which are cached
augment, distort            random variants of pixels, for each batch
prepare                     a sample -> the arrays of its views
rejects                     images that are all rejected for one reason
"""
