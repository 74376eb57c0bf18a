# SPDX-License-Identifier: Apache-2.0
"""A program that does nothing, from a rule of our own: sh_binary would pull rules_cc from the network."""

def _nothing_impl(ctx):
    program = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(program, "#!/bin/sh\nexit 0\n", is_executable = True)
    return [DefaultInfo(executable = program)]

nothing = rule(implementation = _nothing_impl, executable = True)
