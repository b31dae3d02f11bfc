"""What watches for collapse, the generator and the objective while training goes on.

The room's `__init__` imports it; it imports `probing`, `plotting` and `artifacts`.
"""
