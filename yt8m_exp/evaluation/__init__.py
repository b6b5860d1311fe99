"""Ranking metrics, and the pass over shards that feeds them."""
