"""Files of the overfitted codec that come with the project, and the column of a comparison that they make."""
