"""What the product does, told in YAML that a marketer can read, and the one runner of it."""
