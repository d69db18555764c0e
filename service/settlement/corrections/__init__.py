"""What is given back of a settled bill: asked for, approved, carried out."""
