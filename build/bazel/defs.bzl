# SPDX-License-Identifier: Apache-2.0
"""The few rules behind BUILD.bazel: a package's sources, the type check, bundles, tests.

Each action and test runs in a checkout of its own that holds exactly the declared inputs (staged.sh); what is not declared
is not there. Node and node_modules are those that script/setup installed (docs/adr/0004-bazel.md).
"""

TsPackageInfo = provider("A package and all that it imports.", fields = {"files": "depset of File: sources and what they read"})

# Read by tests only; no dependent runs again when one of them changes.
_TESTS = ["bench/**", "src/**/*.test.ts"]

def package_files(with_tests = False):
    """Returns the files of the package whose BUILD.bazel calls this, without what npm installed there.

    Args:
      with_tests: True for a package of tests
    """
    return native.glob(["**"], exclude = ["**/node_modules/**", "BUILD.bazel"] + ([] if with_tests else _TESTS), allow_empty = True)

def test_files():
    """Returns the tests of the package whose BUILD.bazel calls this."""
    return native.glob(_TESTS, allow_empty = True)

def _staged(ctx, files, name):
    """Returns a file that lists `files`, one path a line, and the inputs of an action that is given that list."""
    inputs = depset(transitive = [files, depset(ctx.files._installed)])
    listing = ctx.actions.declare_file(name)
    arguments = ctx.actions.args()
    arguments.set_param_file_format("multiline")
    arguments.add_all(inputs, map_each = _short_path)
    ctx.actions.write(listing, arguments)
    return struct(listing = listing, inputs = inputs)

def _short_path(file):
    return file.short_path

def _ts_package_impl(ctx):
    files = depset(ctx.files.srcs + ctx.files.reads, transitive = [dep[TsPackageInfo].files for dep in ctx.attr.deps])
    return [DefaultInfo(files = depset(ctx.files.srcs)), TsPackageInfo(files = files)]

ts_package = rule(
    doc = "What a package is made of, without its tests; `deps` are the packages that it imports.",
    implementation = _ts_package_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = True, mandatory = True),
        "reads": attr.label_list(allow_files = True, doc = "files outside of the package that its code reads"),
        "deps": attr.label_list(providers = [TsPackageInfo]),
    },
)

def _staged_action(ctx, files, output, arguments, mnemonic):
    staged = _staged(ctx, files, ctx.label.name + ".inputs")
    ctx.actions.run(
        executable = ctx.executable._stage,
        arguments = [staged.listing.path, output.path] + arguments,
        inputs = depset([staged.listing], transitive = [staged.inputs]),
        outputs = [output],
        mnemonic = mnemonic,
        progress_message = "%s %s" % (mnemonic, ctx.label),
    )
    return [DefaultInfo(files = depset([output]))]

def _ts_types_impl(ctx):
    files = depset(ctx.files.srcs, transitive = [dep[TsPackageInfo].files for dep in ctx.attr.deps])
    return _staged_action(ctx, files, ctx.actions.declare_file(ctx.label.name + ".log"), ["types", ctx.file.project.short_path], "TsTypes")

def _ts_bundle_impl(ctx):
    files = depset(ctx.files._bundler, transitive = [ctx.attr.package[TsPackageInfo].files])
    return _staged_action(ctx, files, ctx.actions.declare_directory(ctx.label.name), ["bundle", ctx.attr.package.label.package], "TsBundle")

# What every action and test depends on: which npm packages and which Node are installed, and how they are staged.
_STAGED = {
    "_installed": attr.label(default = "//:installed"),
    "_stage": attr.label(default = "//build/bazel:staged.sh", executable = True, cfg = "exec", allow_single_file = True),
}

ts_types = rule(
    doc = "Type checks all files that `project` (a tsconfig.json) includes among the inputs.",
    implementation = _ts_types_impl,
    attrs = dict(
        _STAGED,
        srcs = attr.label_list(allow_files = True),
        deps = attr.label_list(providers = [TsPackageInfo]),
        project = attr.label(allow_single_file = True, mandatory = True),
    ),
)

ts_bundle = rule(
    doc = "The JavaScript of an application (as it is shipped) or of a package (its entries), in a directory.",
    implementation = _ts_bundle_impl,
    attrs = dict(
        _STAGED,
        package = attr.label(providers = [TsPackageInfo], mandatory = True),
        _bundler = attr.label(default = "//build:bundler"),
    ),
)

def _node_test_impl(ctx):
    own = [ctx.attr.package[TsPackageInfo].files] if ctx.attr.package else []
    files = depset(
        ctx.files.srcs + ctx.files.data + ctx.files._runner,
        transitive = own + [dep[TsPackageInfo].files for dep in ctx.attr.deps],
    )
    staged = _staged(ctx, files, ctx.label.name + ".inputs")
    script = ctx.actions.declare_file(ctx.label.name + ".sh")
    ctx.actions.write(
        script,
        "#!/bin/sh\nexec %s %s - test %s/\n" % (ctx.file._stage.short_path, staged.listing.short_path, ctx.label.package),
        is_executable = True,
    )
    runfiles = ctx.runfiles([staged.listing, ctx.file._stage], transitive_files = staged.inputs)
    return [DefaultInfo(executable = script, runfiles = runfiles)]

node_test = rule(
    doc = "Runs the test files of a folder through build/test.ts, which fails on a skipped test and on a file without one.",
    implementation = _node_test_impl,
    test = True,
    attrs = dict(
        _STAGED,
        srcs = attr.label_list(allow_files = True, mandatory = True),
        package = attr.label(providers = [TsPackageInfo]),
        deps = attr.label_list(providers = [TsPackageInfo], doc = "what only the tests import"),
        data = attr.label_list(allow_files = True),
        _runner = attr.label(default = "//build:test_runner"),
    ),
)
