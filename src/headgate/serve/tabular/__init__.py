"""A release's models asked directly: rows in, labels out. `infer` is to them what `execute` is to a conversation."""
