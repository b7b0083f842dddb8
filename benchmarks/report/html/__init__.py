"""A benchmark's report as one HTML file that needs nothing else, drawn from the JSON that lies beside it."""
