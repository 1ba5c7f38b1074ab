"""The bodies of the `roadbed` command's longer subcommands."""
