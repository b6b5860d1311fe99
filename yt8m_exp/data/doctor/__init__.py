"""What is wrong with shards, and what they hold: the findings of `check`."""
