"""Pictures, clips and comparisons: what answers are made of."""
