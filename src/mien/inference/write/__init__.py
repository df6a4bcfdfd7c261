"""Results → lines, tables, pictures and videos; and tables back."""
