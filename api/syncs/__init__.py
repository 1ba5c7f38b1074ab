"""The weekly sync of product and engineering, and what blocks."""
