"""What a model is asked: the prompt, the conversation fitted to it, and what of a client goes on. Called by `plan`."""
