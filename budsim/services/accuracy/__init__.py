"""How far predictions lie from measurements: rows in, predictions and errors out. Nothing is fitted here."""
