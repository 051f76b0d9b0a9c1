"""`releve report`: write the report of a run, or show it again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, NoReturn

import typer
from pydantic import ValidationError
from rich.console import Console

from releve.report.formats.table import render
from releve.report.schema import Report
from releve.report.write import write as write_report

_REPORTS = Path("var/reports")

app = typer.Typer(no_args_is_help=True, help="Write and show the report of a run.")


@app.command()
def write(
    run_dir: Annotated[Path, typer.Argument(help="The run's directory, var/reports/<run id>.")],
) -> None:
    """Write report.json, report.html and junit.xml from the run's evidence, and show the table.

    Exit 0 when they were written, whatever the verdict of the run; 2 when some evidence could
    not be used (the rest is written all the same).
    """
    # The run id is the directory's real name, also when it is given as `latest` or `.`.
    run_dir = run_dir.resolve()
    if not run_dir.is_dir():
        _stop(f"{run_dir} is not a directory; give the run's own, var/reports/<run id>")
    try:
        written = write_report(run_dir)
    except OSError as error:
        _stop(f"{error.filename}: {error.strerror}; free some space or fix its permissions")
    _show(written.report, run_dir)
    if written.problems:
        _stop("\n".join(f"{sentence}; mend or remove it" for sentence in written.problems))


@app.command()
def show(
    run_dir: Annotated[
        str, typer.Argument(help="A run's directory, or `latest`.", show_default=True)
    ] = "latest",
) -> None:
    """Show the table of a report that was written before."""
    home = _REPORTS / "latest" if run_dir == "latest" else Path(run_dir)
    path = home / "report.json"
    try:
        report = Report.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        _stop(f"{path} is not there; write it with `releve report write {home}`")
    except OSError as error:
        _stop(f"{path}: {error.strerror}; fix its permissions")
    except ValidationError as error:
        _stop(f"{path} is not a report of schema 1 ({error.error_count()} errors); write it again")
    _show(report, home)


def _show(report: Report, home: Path) -> None:
    page = home / "report.html"
    here = Path.cwd()
    Console(highlight=False).print(
        render(report, str(page.relative_to(here) if page.is_relative_to(here) else page))
    )


def _stop(sentence: str) -> NoReturn:
    typer.echo(sentence, err=True)
    raise typer.Exit(2)
