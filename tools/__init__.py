"""Programs for people at a terminal: `make demo`, `make distributed`. Nothing in production imports them."""
