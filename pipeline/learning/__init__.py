"""What all methods share: how a head is described, trained, calibrated and scored.

options         the base of every method's options (no torch)
spec, head      what describes a head, and what every head is; layers are parts of several heads
method, task    what a method takes and what it returns; split_loader reads the splits, concurrency is threads
learner, loop   what is trained, and the one training loop; engines take its steps, optimizers are shared by methods
trainable_head  a method that is one class: the shortest form of a method of one's own
probabilities   softmax, and how far it can be trusted; calibration fits the temperature that improves it
metrics, statistics, evaluation     scores, their uncertainty, a head on a test split
"""
