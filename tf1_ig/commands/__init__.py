"""The commands of tf1-ig, one a file."""
