"""World models behind one contract (`contract.py`); `registry.load_model` loads one by name."""
