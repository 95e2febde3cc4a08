"""Commands that act on this machine: servers, workers, storage, settings."""
