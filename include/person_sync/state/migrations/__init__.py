"""
The alembic environment of the state database, shipped inside the package.

A new migration is a module in `versions` named `<revision>_<what_it_does>.py` with the next number as its revision;
`HEAD` in `include.person_sync.state.migrate` names the newest. Migrations only go up.
"""
