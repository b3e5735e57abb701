"""The command line: what to type, what each command does, how it ends."""
