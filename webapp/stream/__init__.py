"""The live stream: events as JSON with ids, frames as binary, one reader of Redis for all viewers."""
