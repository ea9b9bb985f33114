"""What is served: metrics, health, and the status page."""
