"""The agreement between pipeline and trainer: what a shard is, and how it is written, read and checked."""
