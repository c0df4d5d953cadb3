"""For whoever operates it: metrics, health checks and a page over HTTP. Nothing here is imported unless asked for."""
