"""The HTTP and WebSocket service, its page, and live cameras shown on it."""
