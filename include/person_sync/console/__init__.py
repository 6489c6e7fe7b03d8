"""
The sync's own pages and endpoints: one FastAPI app, mounted into a web server that knows its users.

Nothing here imports Airflow. What the app needs of the server around it (who is signed in, how a run is started) is
handed to `create_app`.
"""
