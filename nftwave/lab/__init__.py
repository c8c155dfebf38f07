"""A fleet on loopback: emulated API servers, controllers and SSH nodes, with faults to inject.

It imports nothing of the rest of the program, so that lab and program cannot share a mistake.
Inside, arrows point down: launch, serve, world, then cluster, then api and node, which know
nothing of each other, then what these stand on: proxy, tools, kernel, shell, store, machinery.
"""
