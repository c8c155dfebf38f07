"""A POSIX shell in which the processes are tasks: words, expansion, redirection, builtins."""
