"""The way back: manifests, ranged reads, and tensors assembled from living ones, host memory, disk and storage."""
