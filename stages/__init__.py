"""One module per command of fer-stage, which is also one DVC stage. Thin: they introduce cache and pipeline.

cli         the command group; errors become exit codes here
params      params.yaml, read once, checked at once
workspace   where tables, features, runs and reports lie
options, output, progress   what commands share: options, printing, progress bars
"""
