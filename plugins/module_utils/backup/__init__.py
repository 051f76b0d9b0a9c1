"""A backup of a stack, made.

Top floor first. Arrows go one way: a line imports only what stands beneath it.

    snapshot         one backup into a restic repository
    repository_lock  one backup, verification or restore at a time
    archive          one backup, read: its snapshots and definitions
    settings         options and repository that the modules share
    document         the document of versions
    pause            databases save themselves, other writers are paused
    disk_space       room on the disks that are written to
    retention        which snapshots belong together, which may go
    contents         images, trees and definitions of a stack, from the engine
    survey           what lies in a folder, and what changed while it was read
"""
