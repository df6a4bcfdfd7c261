"""Results → lines, tables, pictures and videos; and reading such tables again."""
