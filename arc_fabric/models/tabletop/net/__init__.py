"""The tabletop's network: VAE, transformer, sampler, and DreamZero's surface around them."""
