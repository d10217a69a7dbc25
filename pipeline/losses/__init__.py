"""What heads minimise: pure functions of tensors, with the equation each one stands for.

channels        channel separation and diversity   [CAFE]
text            similarity, transformation, contrast   [KE-FER]
descriptors     several descriptors per class   [CLIPER]
noisy_labels    importance and relabelling, mixing, flip consistency   [SCN, RUL, EAC]
"""
