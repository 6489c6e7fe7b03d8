"""
The rules of the sync, as pure functions over values: no network, no database, no clock, no logging.

`values` and `canonical` say when two values are equal, `fields` and `schema` which fields take part, `matching` who is
who, `merge` what happens to a field, `plan` what is written, and `brakes` when to stop before writing anything.
"""
