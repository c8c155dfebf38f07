"""The shell language: from a script's text to its syntax tree."""
