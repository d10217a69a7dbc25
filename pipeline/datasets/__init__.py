"""What is on disk, and how it becomes a sample table.

roots       where images are: folder, tar, zip
layouts     one module per public layout; `LAYOUTS` is the registry
index       a root under a layout -> its sample table
drawn       the embedded sample: faces that a seed draws
"""
