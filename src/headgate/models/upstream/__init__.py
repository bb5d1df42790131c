"""What providers that are reached over HTTP share: one exchange, what failures mean, settings, reading of bodies."""
