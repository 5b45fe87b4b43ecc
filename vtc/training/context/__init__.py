"""Training of the `context` entropy profile: symbols of the base layer, what is known of them, networks, and back into integers."""
