"""Binds media, tokenizers, entropy and container: segment planning, tiles, the encode and decode loops."""
