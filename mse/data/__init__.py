"""What was seen: tables, readers, columns, patterns, checks, datasets."""
