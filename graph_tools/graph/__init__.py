"""GraphDefs as values: names, walks, called functions, what nodes may do."""
