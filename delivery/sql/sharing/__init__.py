"""Run the statements about events that are shared with other tenants: publishing and the sharing task call in."""
