"""Picture files: what their own headers say of depth and colour, and Pillow under isorate's limits."""
