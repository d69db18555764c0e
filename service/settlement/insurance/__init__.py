"""What is asked of whom pays the insured part, and what its answers mean for a settlement."""
