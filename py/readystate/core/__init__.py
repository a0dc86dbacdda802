"""Pure logic, which does no I/O."""
