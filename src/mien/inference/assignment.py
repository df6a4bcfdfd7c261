"""The assignment problem: pairing rows and columns of a cost matrix at the least total cost."""

import numpy as np


def assign(costs: np.ndarray) -> list[tuple[int, int]]:
    """Returns the cheapest one-to-one assignment for costs `[R, C]`: (row, column), by row.

    All min(R, C) pairs are assigned. Shortest augmenting paths (Jonker & Volgenant, "A shortest
    augmenting path algorithm for dense and sparse linear assignment problems", 1987; Crouse, "On
    implementing 2D rectangular assignment algorithms", 2016): O(min(R, C)² · max(R, C)).

    Raises:
        ValueError: A cost is not finite.
    """
    if not np.isfinite(costs).all():
        raise ValueError("costs must be finite")
    rows, columns = costs.shape
    if rows > columns:
        return sorted((row, column) for column, row in assign(costs.T))
    row_prices, column_prices = np.zeros(rows), np.zeros(columns)
    column_of, row_of = np.full(rows, -1), np.full(columns, -1)
    for start in range(rows):
        # Dijkstra from the row, over reduced costs, to the nearest column that is free.
        lengths, came_from = np.full(columns, np.inf), np.full(columns, -1)
        done = np.zeros(columns, bool)
        row, column, length = start, -1, 0.0
        while row >= 0:
            through = length + costs[row] - row_prices[row] - column_prices
            shorter = ~done & (through < lengths)
            lengths[shorter], came_from[shorter] = through[shorter], row
            column = int(np.where(done, np.inf, lengths).argmin())
            length = float(lengths[column])
            done[column] = True
            row = int(row_of[column])
        # New prices keep all reduced costs ≥ 0, and those of assigned pairs 0.
        passed = done & (row_of >= 0)
        row_prices[start] += length
        row_prices[row_of[passed]] += length - lengths[passed]
        column_prices[done] -= length - lengths[done]
        # Back along the path, each row takes the column that led on from it.
        while row != start:
            row = int(came_from[column])
            row_of[column] = row
            column, column_of[row] = int(column_of[row]), column
    return list(enumerate(column_of.tolist()))
