"""A sample plug-in of isorate."""
