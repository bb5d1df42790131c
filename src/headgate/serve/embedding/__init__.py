"""Texts into vectors for clients: as a release embeds them, or by a provider's model. Called through `serve`."""
