"""What admission answers: pure functions over one request and what the cache knows."""
