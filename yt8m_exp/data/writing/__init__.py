"""Writes shards as the release lays them out."""
