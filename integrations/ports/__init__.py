"""What the core needs from the outside, in our own words. No partner word appears here."""
