"""What Airflow sees of Dynamics 365: hook and operators around `include.dynamics`."""
