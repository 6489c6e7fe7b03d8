-- Runs once, when the data directory is new: links, base snapshots and plans live in a database of their own.
CREATE DATABASE person_sync;
