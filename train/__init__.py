"""From shards to a detector."""
