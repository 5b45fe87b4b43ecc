"""A command-line video compression toolkit whose codecs are learned video tokenizers."""
