"""Generated modules: plain files that need NumPy alone. Do not edit them; run ``handgrad generate``."""
