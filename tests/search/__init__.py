"""Search policies, in this process on the toy model."""
