"""What pictures are made of: escaped SVG, axes, letters, names beside points, and pictures that are cells of a table."""
