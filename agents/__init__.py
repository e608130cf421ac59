"""One thin file per Faust agent: event in, one service call, events out."""
