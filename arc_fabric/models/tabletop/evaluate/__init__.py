"""What the model is worth: measures on held-out scenes, read off decoded frames by colour."""
