"""Prediction shard by shard: a plan of parts, workers that make them, and their join."""
