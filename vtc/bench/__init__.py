"""How far a decoded video is from its source, and at what cost in bytes."""
