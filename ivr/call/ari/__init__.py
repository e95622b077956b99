"""ARI: one WebSocket carries the events of all calls and our requests about them."""
