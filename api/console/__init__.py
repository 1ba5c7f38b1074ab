"""The developer console: files that the service serves, and that call only /v1 with the key of whoever looks."""
