"""What the readers of `layouts` share: options, rows and their rules, class folders, text tables, face boxes."""
