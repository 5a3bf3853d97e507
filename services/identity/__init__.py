"""Who calls, and what they may: certificates, keys, and the models that each caller is allowed."""
