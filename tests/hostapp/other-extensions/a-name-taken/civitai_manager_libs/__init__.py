"""A foreign package that takes the top-level name of ours."""

OWNER = "name-taken"
