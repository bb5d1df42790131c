"""What of a model's answer leaves: verified, guarded, text by text and whole. Called by `execute`."""
