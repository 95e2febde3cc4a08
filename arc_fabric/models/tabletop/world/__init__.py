"""The simulator the model learns from: scenes, physics with chance in it, pictures, experts and their episodes."""
