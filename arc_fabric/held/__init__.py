"""A model's state as tensors by name, and the way between them and the model's own buffers.

names     names in the store; the fields of a snapshot that are views of what it holds
capture   what is new is copied on the device, what differs is written back
"""
