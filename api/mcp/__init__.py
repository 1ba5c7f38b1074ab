"""Roadbed for agents: tools over the same API, called with the caller's own key, and the guide's shortcuts as prompts.

The `mcp` package is an extra of its own: a service without agents does not carry it.
"""
