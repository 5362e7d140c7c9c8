"""What runs when: a cell's equations and their derivatives placed before, in and after the loop over time."""
