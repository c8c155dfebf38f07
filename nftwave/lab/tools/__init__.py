"""The programs on a node: text tools, nft, ip, conntrack, curl, and what launches others."""
