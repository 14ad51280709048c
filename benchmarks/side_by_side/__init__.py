"""draftlab beside other implementations, on the same weights and prompts."""
