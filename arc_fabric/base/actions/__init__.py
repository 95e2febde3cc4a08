"""What a model takes, actions and settings, where no model is at hand."""
