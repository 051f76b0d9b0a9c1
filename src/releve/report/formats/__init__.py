"""What a report is shown as.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    html      report.html
    timeline  steps, flip, calls and round trips on one time axis
    junit     junit.xml
    table     a table for the terminal
    words     figures as text
"""
