"""A trained head for elsewhere: one folder that tells everything about it, and ONNX for programs without PyTorch.

record  what head.json says: run.json without what belongs to the machine that trained
card    the model card, from the record
graph   the head as ONNX, compared with PyTorch before it is given away
"""
