"""The admission and conversion server: HTTP, TLS and certificates around pure functions."""
