"""The operators of the sync that belong to neither system; those that do live in `marketo` and `dynamics`."""
