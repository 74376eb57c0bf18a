// SPDX-License-Identifier: Apache-2.0
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { checkoutFiles } from './checkout-files.ts';
import type { Check, Finding } from './finding.ts';
import { runTool, toolFailed } from './run-tool.ts';

/** The type checker; layer 0 a second time, without Node's types: there `process` and `node:fs` are errors. */
export const typesCheck: Check = { name: 'types', run: ({ root }) => typeFindings(root, 'tsconfig.json') };
export const pureTypesCheck: Check = { name: 'types-layer-0', run: ({ root }) => typeFindings(root, 'tsconfig.layer-0.json') };

/** oxlint with types; its warnings are errors. */
export const lintCheck: Check = {
  name: 'lint',
  run: async ({ root }) => {
    const folders = ['apps', 'packages', 'integration', 'build', 'script'].filter((folder) => existsSync(join(root, folder)));
    const result = await runTool(root, 'oxlint', [
      '--type-aware',
      '--deny-warnings',

      '--format',
      'unix',
      ...folders,
    ]);
    if (result.code === 0) return [];
    const found = parseLines(
      result.output,
      /^(.+?):(\d+):\d+: (.+?) \[(?:Error|Warning)(?:\/(.+))?\]$/,
      (rule) => `correct it; rule ${rule} is set in .oxlintrc.json`,
    );
    return found.length > 0 ? found : [toolFailed('oxlint', result.output)];
  },
};

/** oxfmt in check mode; `--write` formats. */
export const formatCheck: Check = {
  name: 'format',
  run: async ({ root, write }) => {
    const files = checkoutFiles(root).filter((file) => file.endsWith('.ts'));
    const result = await runTool(root, 'oxfmt', [write ? '--write' : '--list-different', ...files]);
    if (result.code === 0 || write) return result.code === 0 ? [] : [toolFailed('oxfmt', result.output)];
    const listed = result.output.split('\n').filter((line) => files.includes(line.trim()));
    const found = listed.map((file) => ({ file: file.trim(), problem: 'is not formatted', remedy: 'script/check --write format' }));
    return found.length > 0 ? found : [toolFailed('oxfmt', result.output)];
  },
};

async function typeFindings(root: string, project: string): Promise<Finding[]> {
  const result = await runTool(root, 'tsc', ['--project', project, '--pretty', 'false']);
  if (result.code === 0) return [];
  const found = parseLines(result.output, /^(.+?)\((\d+),\d+\): error (.+)()$/, () =>
    project === 'tsconfig.json' ? '' : 'layer 0 is pure: no Node types there; move it up or inject it',
  );
  return found.length > 0 ? found : [toolFailed(`tsc --project ${project}`, result.output)];
}

function parseLines(output: string, pattern: RegExp, remedy: (rule: string) => string): Finding[] {
  return output.split('\n').flatMap((text) => {
    const [, file, line, problem, rule] = pattern.exec(text) ?? [];
    return file === undefined || problem === undefined ? [] : [{ file, line: Number(line), problem, remedy: remedy(rule ?? '') }];
  });
}
