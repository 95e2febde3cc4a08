"""What actions are made of, where no model is at hand."""
