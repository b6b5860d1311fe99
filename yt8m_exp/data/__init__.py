"""From shard patterns to batches."""
