"""Export of a trained head: its model card, and ONNX for programs without PyTorch.

card    the model card, from the record of the exported head (`pipeline.records.Export`)
graph   the head as ONNX, compared with PyTorch before it is written
"""
