"""The calls of other libraries, answered by mien, for programs that come from these."""
