"""The node through SSH: one connection, one probe command, parsed into NodeFacts."""
