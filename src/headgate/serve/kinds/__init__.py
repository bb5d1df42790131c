"""Kinds of artifact that `serve` understands: app, prompt, contract. Found by the plugin loader."""
