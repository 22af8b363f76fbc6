"""Small files beside a model file that other programs read and write too: one module for each format."""
