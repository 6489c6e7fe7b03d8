"""
What a person sets: `person_sync.yaml` as typed settings, and the connections from the environment.

Import from the modules: `settings` (load_settings, Settings) and `connections` (load_connection, state_url).
"""
