"""Training of the tabletop's network: latents of simulated episodes, losses, the loop."""
