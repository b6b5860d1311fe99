"""Parts of predictions: a file for each shard, and how they become one file."""
