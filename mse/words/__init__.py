"""Every sentence: summaries, reasons, sections of results."""
