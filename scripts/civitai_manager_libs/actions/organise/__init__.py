"""Move, rename, delete and tidy up: first a plan that names every file, then a job that does exactly that, and a journal to take it back."""
