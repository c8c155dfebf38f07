"""One cluster: its nodes, the objects that it begins with, its controllers."""
