"""From what a caller says to tensors, arrays and the words behind them."""
