"""Prints the progress of the module of this name: see releve_backup."""

from __future__ import annotations

from ansible.plugins.loader import action_loader

# Ansible looks for one by the module's name.
ActionModule = action_loader.get("releve_backup", class_only=True)
