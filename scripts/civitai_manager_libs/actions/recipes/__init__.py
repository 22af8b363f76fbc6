"""Recipes: made from pictures, texts and by hand, shared as files, taken over from other tools."""
