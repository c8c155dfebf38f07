"""A fleet on loopback: emulated API servers, controllers and SSH nodes, with faults to inject.

It imports nothing of the rest of the program, so that lab and program cannot share a mistake.
"""
