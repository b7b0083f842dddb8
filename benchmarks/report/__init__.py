"""One result, several outputs: terminal, Markdown, JSON, HTML."""
