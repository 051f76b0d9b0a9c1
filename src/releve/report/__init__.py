"""The report of a run, from its evidence.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    cli        the command `releve report`
    write      report.json, report.html and junit.xml beside the evidence
    formats    the report as a page, a table, JUnit; figures as text
    build      from evidence to the report: pure
    evidence   a run's files, read
    schema     report.json
    refusal    options with which a run would do nothing
    command    the next command for an operator, with its inventory
    journal    steps and failures while a run goes on
    keep       one file of evidence, written
"""
