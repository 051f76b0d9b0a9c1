"""The job: what JobContext and JobRequest no longer have, and how the program starts."""

from __future__ import annotations

from collections.abc import Iterator

import libcst as cst

from releve.upgrade.context import Context
from releve.upgrade.model import Finding, Rule
from releve.upgrade.syntax.edit import expression

JOB_ID = Rule(
    "job-id",
    "worker",
    "ctx.id",
    "ctx.job.id",
    True,
    "JobContext.id is gone; the job has had it all along",
)
PUBLISHER = Rule(
    "job-publisher",
    "worker",
    "ctx.publisher",
    "ctx.room.remote_participants.get(ctx.job.participant.identity), after ctx.connect()",
    False,
    "0.7.2 always gave None, v1 has no such attribute: what the code does with a real one was never tried",
)
ANSWERED = Rule(
    "job-answered",
    "worker",
    "req.answered",
    "a variable of your own, set where you accept or reject",
    False,
    "JobRequest.answered is gone",
)
GUARD = Rule(
    "run-app-guard",
    "worker",
    "cli.run_app(…) at the top level of the file",
    'if __name__ == "__main__": cli.run_app(…)',
    True,
    "v1 starts job processes with forkserver or spawn, which import the file again",
)
MAIN_STATE = Rule(
    "main-state",
    "worker",
    'if __name__ == "__main__": options = …, and options read where a job runs',
    "set it where the file is imported, or in prewarm_fnc: process.userdata; or in the environment",
    False,
    "v0 forked, so a job saw what the program had set; v1's job processes import the file, without that block",
)
SIMULATE = Rule(
    "simulate-job",
    "worker",
    "worker.simulate_job(room, identity)",
    "worker.simulate_job(SimulateJobInfo(room=…, participant_identity=…))",
    False,
    "it takes one argument; the command `python agent.py connect --room …` does the same",
)
RULES = (JOB_ID, PUBLISHER, ANSWERED, GUARD, MAIN_STATE, SIMULATE)


def find(context: Context) -> Iterator[Finding]:
    code, kinds = context.code, context.kinds
    for node in code.all(cst.Attribute):
        kind = kinds.of(node.value)
        if kind == "agents.JobContext" and node.attr.value == "id":
            yield Finding(JOB_ID, node, "ctx.job.id", ((node, _job_id),))
        elif kind == "agents.JobContext" and node.attr.value == "publisher":
            yield Finding(PUBLISHER, node, PUBLISHER.v1)
        elif kind == "agents.Worker" and node.attr.value == "simulate_job":
            yield Finding(SIMULATE, node, SIMULATE.v1)
        elif kind == "agents.JobRequest" and node.attr.value == "answered":
            yield Finding(ANSWERED, node, ANSWERED.v1)
    starts = code.calls("cli.run_app")
    for name in _main_names(context) if starts else ():
        read = [node for node in code.references(name) if code.within(node, cst.FunctionDef)]
        if read:
            advice = f"line {code.line(read[0])} reads {name.value}: {MAIN_STATE.v1}"
            yield Finding(MAIN_STATE, name, advice)
    for call in starts:
        line = code.statement(call)
        if line and code.is_statement(call) and isinstance(code.parent(line), cst.Module):
            yield Finding(
                GUARD, call, "run_app only where the file is the program", ((line, _guarded),)
            )


def _main_names(context: Context) -> Iterator[cst.Name]:
    """Variables that are set only where the file is the program."""
    code = context.code
    for assign in code.all(cst.Assign):
        block = code.within(assign, cst.If)
        main = block is not None and "__main__" in code.text(block.test)
        if not main or code.within(assign, cst.FunctionDef):
            continue
        for target in assign.targets:
            if isinstance(target.target, cst.Name):
                yield target.target


def _job_id(node: cst.Attribute) -> cst.Attribute:
    return node.with_changes(value=cst.Attribute(node.value, cst.Name("job")))


def _guarded(line: cst.SimpleStatementLine) -> cst.If:
    return cst.If(
        test=expression('__name__ == "__main__"'),
        body=cst.IndentedBlock(body=[line.with_changes(leading_lines=[])]),
        leading_lines=line.leading_lines,
    )
