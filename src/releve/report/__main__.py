"""`python -m releve.report`: the report alone, without loading gateway and probes."""

from releve.report.cli import app

if __name__ == "__main__":
    app()
