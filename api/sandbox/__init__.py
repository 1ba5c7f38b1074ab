"""The sandbox: emptied, filled with the guide's examples, and had without signing up."""
