"""From annotated pages to shards."""
