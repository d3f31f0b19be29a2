"""How large the report of ten thousand items is, how long it takes to build, to open and to filter."""
