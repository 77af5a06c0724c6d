"""Pages, tables and figures: pure functions of a run folder.

Nothing here encodes, decodes a stream or measures anew what a row already holds.
The same run renders to the same bytes.
"""
