// SPDX-License-Identifier: Apache-2.0
// Written by script/check --write templates, from deploy/templates. Not to be edited.

/** What set-up publishes, and what earlier versions did. */
export const BUILT_IN_CONTENTS = {
  base: {
    content: {
      v: 2,
      description:
        'Common ground of the built-in templates: no tracing, no devices, no secrets as files, and nobody on top of it gets them',
      createDirectories: ['/var/tmp'],
      profile: 'default',
      gpu: false,
      locked: ['profile', 'gpu', 'secretFiles'],
    },
    earlier: [],
  },
  default: {
    content: {
      v: 1,
      description: "The host's /usr read-only, own /tmp, home and /workspace; no network but the proxy",
      environment: {},
      mounts: [],
    },
    earlier: [],
  },
  strict: {
    content: {
      v: 2,
      description: 'A mix-in for what should get by with little: the strict system calls, one gigabyte, 256 processes',
      profile: 'strict',
      resources: {
        memory: 1073741824,
        pids: 256,
      },
      locked: ['profile', 'resources.memory', 'resources.pids'],
    },
    earlier: [],
  },
  agent: {
    content: {
      v: 2,
      description: 'An agent with caches and tools of its own that are kept between its runs; the assignment brings the command',
      inherits: ['base'],
      scratch: 'disk',
      environment: {
        XDG_CACHE_HOME: '/scratch/cache',
      },
      prependVariables: {
        PATH: '/scratch/bin',
      },
    },
    earlier: [],
  },
  'curl-demo': {
    content: {
      v: 2,
      description: 'Asks its proxy who it is, with curl, and stays',
      inherits: ['base'],
      command: [
        '/bin/sh',
        '-c',
        "trap 'exit 0' TERM; curl -sS --unix-socket /proxy.sock http://bureau/v1/identity && echo; while :; do sleep 3600 & wait $!; done",
      ],
    },
    earlier: [],
  },
  node: {
    content: {
      v: 2,
      description: 'The Node that Bureau itself runs on, packages of npm kept in /scratch',
      inherits: ['agent'],
      command: ['node'],
      environment: {
        NODE_REPL_HISTORY: '/scratch/node-history',
        npm_config_cache: '/scratch/cache/npm',
        npm_config_prefix: '/scratch/npm',
      },
      prependVariables: {
        PATH: '/scratch/npm/bin:${BUREAU_BIN}',
      },
    },
    earlier: [],
  },
  python: {
    content: {
      v: 2,
      description: 'Python of the host, its output unbuffered, packages of pip kept in /scratch',
      inherits: ['agent'],
      command: ['/usr/bin/python3', '-q'],
      environment: {
        PYTHONUNBUFFERED: '1',
        PYTHONUSERBASE: '/scratch/python',
        PIP_CACHE_DIR: '/scratch/cache/pip',
      },
      prependVariables: {
        PATH: '/scratch/python/bin',
      },
    },
    earlier: [],
  },
  shell: {
    content: {
      v: 2,
      description: 'A shell in a terminal',
      inherits: ['agent'],
      command: ['/bin/bash'],
      environment: {
        HISTFILE: '/scratch/history',
      },
    },
    earlier: [],
  },
};
