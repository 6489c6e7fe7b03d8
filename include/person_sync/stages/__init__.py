"""
The stages of one run, as functions over clients, store and staged files.

A stage takes the run's context and id, passes people through files on the staging store and hands on references only.
Every stage may be repeated: it does again what was not done and leaves alone what was.
"""
