"""Which videos an epoch shows, and how often."""
