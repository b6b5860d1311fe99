"""Pages on which people look at videos and classes, of one model or of two."""
