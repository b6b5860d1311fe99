"""Decoded shards in files that are mapped to memory, made once a host."""
